//! TLS to Temporal (with certificates on both sides) and to PostgreSQL (`verify-full`): real
//! servers behind proxies that accept TLS only, and an order that uses both.

use std::{fs, process::Command, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::PrivateKeyDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{harness::Harness, shared_servers::shared_servers};

/// A certificate authority, and the files of its certificates.
pub(crate) struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl CertificateAuthority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn file_path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Issues a certificate with its key, and writes them as `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        fs::write(self.file_path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.file_path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        (certificate, key)
    }

    /// Returns a verifier that accepts clients with a certificate of this authority.
    fn client_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        WebPkiClientVerifier::builder_with_provider(roots.into(), default_provider().into())
            .build()
            .unwrap()
    }

    pub(crate) fn tls_acceptor(
        &self,
        clients: Arc<dyn ClientCertVerifier>,
        protocols: &[&str],
    ) -> TlsAcceptor {
        let (certificate, key) = self.issue("localhost");
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions();
        let config = config.unwrap().with_client_cert_verifier(clients);
        let mut config = config
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Starts a TLS proxy in front of a server and returns its port.
async fn start_tls_proxy(acceptor: TlsAcceptor, to: String, is_postgres: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                if is_postgres {
                    // PostgreSQL starts TLS with an SSLRequest, and the server answers 'S' for yes.
                    let mut request = [0; 8];
                    caller.read_exact(&mut request).await.ok()?;
                    (request == [0, 0, 0, 8, 4, 210, 22, 47]).then_some(())?;
                    caller.write_all(b"S").await.ok()?;
                }
                let mut caller = acceptor.accept(caller).await.ok()?;
                let mut server = TcpStream::connect(to).await.ok()?;
                copy_bidirectional(&mut caller, &mut server).await.ok()
            });
        }
    });
    port
}

fn run_describe(id: &str, settings: &[(&str, String)]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderflow-under-test"));
    let output = command
        .args(["describe", id])
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

// With one thread, the blocking commands would stop the proxies.
#[tokio::test(flavor = "multi_thread")]
async fn order_uses_verified_tls_to_temporal_and_database() {
    let shared = shared_servers().await;
    let (authority, other_authority) = (CertificateAuthority::new(), CertificateAuthority::new());
    authority.issue("client");
    other_authority.issue("client");
    let any_client = || WebPkiClientVerifier::no_client_auth();
    let temporal = start_tls_proxy(
        authority.tls_acceptor(authority.client_verifier(), &["h2"]),
        shared.temporal.address.clone(),
        false,
    )
    .await;
    let plain = shared.create_database("tls").await;
    let mut url = reqwest::Url::parse(&plain).unwrap();
    let to = format!("127.0.0.1:{}", url.port().unwrap());
    let postgres = start_tls_proxy(authority.tls_acceptor(any_client(), &[]), to, true).await;
    url.set_host(Some("localhost")).unwrap();
    url.set_port(Some(postgres)).unwrap();
    let database = |authority: &CertificateAuthority| {
        format!(
            "{url}?sslmode=verify-full&sslrootcert={}",
            authority.file_path("ca.pem")
        )
    };

    let temporal = format!("localhost:{temporal}");
    let settings = |server: &CertificateAuthority, client: &CertificateAuthority| {
        [
            ("TEMPORAL_ADDRESS", temporal.clone()),
            (
                "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
                server.file_path("ca.pem"),
            ),
            (
                "TEMPORAL_TLS_CLIENT_CERT_PATH",
                client.file_path("client.pem"),
            ),
            (
                "TEMPORAL_TLS_CLIENT_KEY_PATH",
                client.file_path("client.key"),
            ),
        ]
    };
    let ours = settings(&authority, &authority);
    let harness_settings = ours.each_ref().map(|(name, value)| (*name, value.as_str()));
    let harness = Harness::start_on(
        &database(&authority),
        &shared.temporal.address,
        &harness_settings,
    )
    .await;
    harness
        .post("/orders/tls/start", json!({"payment_id": "pmt-tls"}))
        .await
        .expect_started();
    assert_eq!(
        harness.wait_for_end("tls").await.status.as_str(),
        "delivered"
    );
    let (described, stderr) = run_describe("tls", &ours);
    assert!(described, "{stderr}");

    // A server certificate of another authority, and a client certificate of another authority.
    for wrong in [
        settings(&other_authority, &authority),
        settings(&authority, &other_authority),
    ] {
        let (described, stderr) = run_describe("tls", &wrong);
        assert!(!described && stderr.lines().count() == 1, "{stderr}");
    }
    assert!(store::connect(&database(&other_authority)).await.is_err());
}
