//! RDS with IAM authentication, as a client sees it, in front of a PostgreSQL: TLS or nothing; then the password in
//! clear, which must be a token for this user and this place, signed with the right credentials, and not too old. Behind
//! it PostgreSQL checks the very password that it was given.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::SystemTime,
};

use aws_credential_types::Credentials;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use aws_smithy_async::time::{StaticTimeSource, TimeSource};
use aws_types::{SdkConfig, region::Region};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use rustls::server::WebPkiClientVerifier;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::tls::CertificateAuthority;
use store::PgPool;

pub(crate) const REGION: &str = "eu-central-1";

/// The time, which a test moves on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn advance(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60, Ordering::Relaxed);
    }

    fn time(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.time().into()
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new(
        "ASIAEXAMPLE",
        "secret+of/a=role",
        Some("session+of/a=role".to_owned()),
        None,
        "test",
    )
}

pub(crate) struct TlsProxy {
    pub(crate) port: u16,
    pub(crate) clock: Clock,
    /// Users and tokens that were let in, in their order.
    pub(crate) admitted: Arc<Mutex<Vec<(String, String)>>>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl TlsProxy {
    /// `admin` may set passwords on the server, which is at `port` and asks for passwords in clear.
    pub(crate) async fn open(authority: &CertificateAuthority, admin: PgPool, server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = authority.tls_acceptor(WebPkiClientVerifier::no_client_auth(), &[]);
        let clock = Clock::default();
        let (admitted, open) = (Arc::default(), Arc::<Mutex<Vec<_>>>::default());
        let gate = Self {
            port,
            clock: clock.clone(),
            admitted: Arc::clone(&admitted),
            open: Arc::clone(&open),
        };
        let login = Arc::new(Login {
            admin,
            clock,
            port,
            server,
            one: tokio::sync::Mutex::default(),
        });
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let (acceptor, login, admitted) =
                    (acceptor.clone(), Arc::clone(&login), Arc::clone(&admitted));
                let relay = tokio::spawn(async move {
                    let relayed = async {
                        let mut request = [0; 8];
                        caller.read_exact(&mut request).await?;
                        if request != [0, 0, 0, 8, 4, 210, 22, 47] {
                            return Err(io::Error::other("no TLS was asked for"));
                        }
                        caller.write_all(b"S").await?;
                        let mut caller = acceptor.accept(caller).await?;
                        let mut server = login.pass(&mut caller, &admitted).await?;
                        copy_bidirectional(&mut caller, &mut server).await
                    };
                    let _ = relayed.await;
                });
                open.lock().unwrap().push(relay);
            }
        });
        gate
    }

    /// Ends every connection.
    pub(crate) fn cut(&self) {
        self.open
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|relay| relay.abort());
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.admitted
            .lock()
            .unwrap()
            .iter()
            .map(|(_, token)| token.clone())
            .collect()
    }
}

struct Login {
    admin: PgPool,
    clock: Clock,
    port: u16,
    server: u16,
    /// One at a time: between setting the password and its check no other may set it.
    one: tokio::sync::Mutex<()>,
}

impl Login {
    /// Returns the server's end, logged in to.
    async fn pass(
        &self,
        caller: &mut (impl AsyncRead + AsyncWrite + Unpin),
        admitted: &Mutex<Vec<(String, String)>>,
    ) -> io::Result<TcpStream> {
        const IN_CLEAR: &[u8] = &[0, 0, 0, 3];
        let length = caller.read_u32().await?;
        let mut startup = vec![0; length as usize - 4];
        caller.read_exact(&mut startup).await?;
        let words: Vec<_> = startup[4..]
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy)
            .collect();
        let user = words
            .chunks(2)
            .find_map(|pair| (pair[0] == "user").then(|| pair[1].to_string()))
            .unwrap();
        send(caller, b'R', IN_CLEAR).await?;
        let (_, password) = message(caller).await?;
        let token = String::from_utf8_lossy(password.strip_suffix(&[0]).unwrap()).into_owned();
        if !self.is_good(&token, &user).await {
            let error = format!(
                "SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user \"{user}\"\0\0"
            );
            send(caller, b'E', error.as_bytes()).await?;
            return Err(io::Error::other("not let in"));
        }
        let _one = self.one.lock().await;
        let statement = format!("alter role \"{user}\" password '{token}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&self.admin)
            .await
            .unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", self.server)).await?;
        server.write_u32(length).await?;
        server.write_all(&startup).await?;
        assert_eq!(
            message(&mut server).await?,
            (b'R', IN_CLEAR.to_vec()),
            "PostgreSQL asks for the password too"
        );
        send(&mut server, b'p', &password).await?;
        let (kind, verdict) = message(&mut server).await?;
        if kind == b'R' {
            admitted.lock().unwrap().push((user, token));
        }
        send(caller, kind, &verdict).await?;
        Ok(server)
    }

    /// As AWS would sign it for the time that it names.
    async fn is_good(&self, token: &str, user: &str) -> bool {
        let Ok(url) = url::Url::parse(&format!("https://{token}")) else {
            return false;
        };
        let said: HashMap<_, _> = url.query_pairs().collect();
        let signed = said
            .get("X-Amz-Date")
            .and_then(|at| NaiveDateTime::parse_from_str(at, "%Y%m%dT%H%M%SZ").ok());
        let Some(signed) = signed.map(|signed| signed.and_utc()) else {
            return false;
        };
        let age = self.clock.time() - signed;
        let config = Config::builder()
            .hostname("localhost")
            .port(self.port.into())
            .username(user);
        let config = config
            .region(Region::new(REGION))
            .credentials(credentials())
            .build()
            .unwrap();
        let at = SdkConfig::builder()
            .time_source(StaticTimeSource::new(signed.into()))
            .build();
        let expected = AuthTokenGenerator::new(config)
            .auth_token(&at)
            .await
            .unwrap();
        sorted(expected.as_str()) == sorted(token)
            && age >= TimeDelta::seconds(-2)
            && age <= TimeDelta::minutes(15)
    }
}

/// The parts of a token, in any order.
fn sorted(token: &str) -> Vec<&str> {
    let mut parts: Vec<_> = token.split('&').collect();
    parts.sort_unstable();
    parts
}

async fn message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    Ok((kind, body))
}

async fn send(to: &mut (impl AsyncWrite + Unpin), kind: u8, body: &[u8]) -> io::Result<()> {
    to.write_u8(kind).await?;
    to.write_u32(u32::try_from(body.len()).unwrap() + 4).await?;
    to.write_all(body).await?;
    to.flush().await
}
