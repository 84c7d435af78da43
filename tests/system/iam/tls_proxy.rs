//! A proxy in front of PostgreSQL that acts as RDS with IAM authentication. It requires TLS. PostgreSQL
//! itself authenticates a user that is not a member of `rds_iam`. Others send a clear-text password. The password must be a token for this user, host and port that is signed
//! with the right credentials and at most 15 minutes old. The proxy sets the token as the user's
//! password, so that PostgreSQL verifies it as well.

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

/// A clock that a test can advance.
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
    /// The users and tokens of successful logins, in their order.
    pub(crate) admitted: Arc<Mutex<Vec<(String, String)>>>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl TlsProxy {
    /// Starts a proxy. `admin` sets passwords on the server at the port `server`, which requests
    /// clear-text passwords.
    pub(crate) async fn open(authority: &CertificateAuthority, admin: PgPool, server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = authority.tls_acceptor(WebPkiClientVerifier::no_client_auth(), &[]);
        let clock = Clock::default();
        let (admitted, open) = (Arc::default(), Arc::<Mutex<Vec<_>>>::default());
        let proxy = Self {
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
            login: tokio::sync::Mutex::default(),
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
                            return Err(io::Error::other("the client did not request TLS"));
                        }
                        caller.write_all(b"S").await?;
                        let mut caller = acceptor.accept(caller).await?;
                        let mut server = login.log_in(&mut caller, &admitted).await?;
                        copy_bidirectional(&mut caller, &mut server).await
                    };
                    let _ = relayed.await;
                });
                open.lock().unwrap().push(relay);
            }
        });
        proxy
    }

    /// Closes all connections.
    pub(crate) fn close_connections(&self) {
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
    /// Allows one login at a time, because a concurrent one would set another password.
    login: tokio::sync::Mutex<()>,
}

impl Login {
    /// Logs a client in and returns the connection to the server.
    async fn log_in(
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
        // Like the entry of `pg_hba.conf`, this includes members through another role.
        let is_member = sqlx::query_scalar("select pg_has_role($1, 'rds_iam', 'member')");
        if !is_member
            .bind(&user)
            .fetch_one(&self.admin)
            .await
            .unwrap_or(false)
        {
            let mut server = TcpStream::connect(("127.0.0.1", self.server)).await?;
            server.write_u32(length).await?;
            server.write_all(&startup).await?;
            return Ok(server);
        }
        write_message(caller, b'R', IN_CLEAR).await?;
        let (_, password) = read_message(caller).await?;
        let token = String::from_utf8_lossy(password.strip_suffix(&[0]).unwrap()).into_owned();
        if !self.is_valid(&token, &user).await {
            let error = format!(
                "SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user \"{user}\"\0\0"
            );
            write_message(caller, b'E', error.as_bytes()).await?;
            return Err(io::Error::other("the login was rejected"));
        }
        let _guard = self.login.lock().await;
        let statement = format!("alter role \"{user}\" password '{token}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&self.admin)
            .await
            .unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", self.server)).await?;
        server.write_u32(length).await?;
        server.write_all(&startup).await?;
        assert_eq!(
            read_message(&mut server).await?,
            (b'R', IN_CLEAR.to_vec()),
            "PostgreSQL must request the password"
        );
        write_message(&mut server, b'p', &password).await?;
        let (kind, response) = read_message(&mut server).await?;
        if kind == b'R' {
            admitted.lock().unwrap().push((user, token));
        }
        write_message(caller, kind, &response).await?;
        Ok(server)
    }

    /// Whether the token equals the one that the AWS SDK signs for the same time, except for the
    /// order of its parameters, and has not expired.
    async fn is_valid(&self, token: &str, user: &str) -> bool {
        let Ok(url) = url::Url::parse(&format!("https://{token}")) else {
            return false;
        };
        let parameters: HashMap<_, _> = url.query_pairs().collect();
        let signed = parameters
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
        sort_parameters(expected.as_str()) == sort_parameters(token)
            && age >= TimeDelta::seconds(-2)
            && age <= TimeDelta::minutes(15)
    }
}

/// Returns the sorted parameters of a token.
fn sort_parameters(token: &str) -> Vec<&str> {
    let mut parts: Vec<_> = token.split('&').collect();
    parts.sort_unstable();
    parts
}

async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    Ok((kind, body))
}

async fn write_message(
    to: &mut (impl AsyncWrite + Unpin),
    kind: u8,
    body: &[u8],
) -> io::Result<()> {
    to.write_u8(kind).await?;
    to.write_u32(u32::try_from(body.len()).unwrap() + 4).await?;
    to.write_all(body).await?;
    to.flush().await
}
