//! IAM login to RDS: tokens that are renewed and sent over TLS to a PostgreSQL that verifies them,
//! and the privileges of the roles of worker and functions.

mod ended_orders;
mod tls_proxy;

use std::{fs, path::Path};

use axum::{Router, http::HeaderMap, routing::get};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use tls_proxy::{REGION, TlsProxy, credentials};

use crate::{
    e2e::{
        api_gateway::{ApiKind, Call},
        lambda::Lambda,
    },
    harness::{Harness, worker_start_error},
    shared_servers::shared_servers,
    tls::CertificateAuthority,
};
use devstack::{Postgres, PostgresOptions};
use store::{
    Database, PgPool, endpoint_outbox,
    endpoints::{self, EndpointChange, NewEndpoint},
    rds_token::RdsTokenProvider,
};

/// A server with the roles of `orderflow migrate --iam-users`, behind a proxy that acts as RDS.
struct Rds {
    server: Postgres,
    admin: PgPool,
    proxy: TlsProxy,
    authority: CertificateAuthority,
}

impl Rds {
    async fn start() -> Self {
        let rds = Self::start_without_roles().await;
        // Twice, because each deployment does it.
        store::roles::create(&rds.admin).await.unwrap();
        store::roles::create(&rds.admin).await.unwrap();
        rds
    }

    async fn start_without_roles() -> Self {
        let server = Postgres::start(PostgresOptions::default()).await.unwrap();
        let admin = store::connect(&server.url).await.unwrap();
        store::migrate(&admin).await.unwrap();
        let error = store::roles::create(&admin).await.unwrap_err();
        assert!(error.to_string().contains("rds_iam"), "{error}");
        // The role that RDS has, and clear-text passwords for its members. Others use SCRAM.
        let rds = "create role rds_iam;
            copy (select 'host all +rds_iam 127.0.0.1/32 password' union all
                  select 'host all orderflow_owner 127.0.0.1/32 scram-sha-256' union all
                  select regexp_split_to_table(pg_read_file('pg_hba.conf'), E'\n')) to program 'cat >pg_hba.conf.new';
            copy (select 1) to program 'cat >/dev/null; mv pg_hba.conf.new pg_hba.conf';
            select pg_reload_conf()";
        sqlx::raw_sql(rds).execute(&admin).await.unwrap();
        let authority = CertificateAuthority::new();
        let proxy = TlsProxy::open(&authority, admin.clone(), server.port).await;
        Self {
            server,
            admin,
            proxy,
            authority,
        }
    }

    /// Creates the role and the database of an owner as RDS has them, and migrates the database.
    async fn create_owner(&self) {
        let script = "create role orderflow_owner login nosuperuser createrole password 'first';
            create database owned owner orderflow_owner";
        for statement in script.split(';') {
            sqlx::raw_sql(statement).execute(&self.admin).await.unwrap();
        }
    }

    /// Creates the roles of worker and functions as the owner. RDS lets its owner grant `rds_iam`
    /// without being a member, which PostgreSQL cannot: so the owner is a member for this moment.
    async fn create_roles_as_owner(&self, owner: &PgPool) {
        let run = async |script: &'static str| {
            sqlx::raw_sql(script).execute(&self.admin).await.unwrap();
        };
        run("grant rds_iam to orderflow_owner with admin option").await;
        store::roles::create(owner).await.unwrap();
        run("revoke rds_iam from orderflow_owner cascade;
            grant rds_iam to orderflow_worker, orderflow_reader")
        .await;
    }

    /// Connects past the proxy, with the rights of a role.
    async fn connect_as(&self, role: &str) -> PgPool {
        store::connect(&format!("{}?options[role]={role}", self.server.url))
            .await
            .unwrap()
    }

    fn url(&self, user: &str) -> String {
        let (port, root) = (self.proxy.port, self.authority.file_path("ca.pem"));
        format!("postgres://{user}@localhost:{port}/app?sslmode=verify-full&sslrootcert={root}")
    }
}

#[tokio::test]
async fn token_is_renewed_before_it_expires() {
    let rds = Rds::start().await;
    let url = rds.url("orderflow_reader");
    let open = |url: &str| store::connect_lazy(url, 1).unwrap();
    let tokens = |pool: &PgPool| {
        RdsTokenProvider::new(
            pool,
            REGION.to_owned(),
            credentials(),
            rds.proxy.clock.clone(),
        )
    };
    let pool = open(&url);
    let database = Database::with_token_provider(pool.clone(), tokens(&pool).unwrap());
    store::ping(&database.pool().await.unwrap()).await.unwrap();
    assert_eq!(
        rds.proxy.tokens().len(),
        1,
        "the connection used the proxy, which requires TLS"
    );

    // The token is young, so a second connection uses the same one.
    rds.proxy.clock.advance(9);
    rds.proxy.close_connections();
    store::ping(&database.pool().await.unwrap()).await.unwrap();
    let admitted = rds.proxy.tokens();
    assert_eq!((admitted.len(), &admitted[0]), (2, &admitted[1]));

    // The token is still valid, but expires soon.
    rds.proxy.clock.advance(2);
    rds.proxy.close_connections();
    store::ping(&database.pool().await.unwrap()).await.unwrap();
    let renewed = rds.proxy.tokens()[2].clone();
    assert_ne!(renewed, admitted[0]);

    // A frozen sandbox does not renew the token, so it expires.
    rds.proxy.clock.advance(16);
    rds.proxy.close_connections();
    let old = store::ping(&pool).await.unwrap_err();
    assert!(old.is_unavailable() && old.cause().is_some(), "{old:?}");
    store::ping(&database.pool().await.unwrap()).await.unwrap();
    assert_eq!(rds.proxy.tokens().len(), 4);

    // PostgreSQL verifies the password itself: it accepts the newest token and rejects an older
    // one.
    let direct = async |token: &str| {
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        store::connect(&format!(
            "postgres://orderflow_reader:{token}@127.0.0.1:{}/app",
            rds.server.port
        ))
        .await
    };
    direct(&rds.proxy.tokens()[3]).await.unwrap();
    assert!(direct(&renewed).await.is_err());

    // The reader may not write, and a connection without TLS is rejected.
    assert!(
        store::inventory::set_available(&pool, &"ABC123".parse().unwrap(), 1)
            .await
            .is_err()
    );
    let unencrypted = tokens(&open(&url.replace("verify-full", "prefer"))).unwrap_err();
    assert!(
        unencrypted.to_string().contains("sslmode=verify-full"),
        "{unencrypted}"
    );
}

/// Starts an endpoint for the credentials of an ECS task's role, and returns its URL and its
/// authorization token.
async fn task_role() -> (String, &'static str) {
    const SECRET: &str = "only-this-task";
    let expiry = Utc::now() + TimeDelta::hours(6);
    let answer = async move |headers: HeaderMap| {
        assert_eq!(headers["authorization"], SECRET);
        let role = credentials();
        json!({
            "AccessKeyId": role.access_key_id(), "SecretAccessKey": role.secret_access_key(),
            "Token": role.session_token(), "Expiration": expiry.to_rfc3339_opts(SecondsFormat::Secs, true),
        })
        .to_string()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/role", listener.local_addr().unwrap());
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/role", get(answer))).await },
    );
    (url, SECRET)
}

#[tokio::test]
async fn worker_and_functions_log_in_without_password() {
    let rds = Rds::start().await;
    let (role, secret) = task_role().await;
    let (worker, reader) = (rds.url("orderflow_worker"), rds.url("orderflow_reader"));
    let settings = [
        ("DATABASE_URL", worker.as_str()),
        ("DATABASE_IAM_AUTH", "on"),
        ("AWS_REGION", REGION),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &role),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", secret),
        // The credentials of the developer who runs the tests are not used.
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    let harness = Harness::start_on(
        &rds.server.url,
        &shared_servers().await.temporal.address,
        &settings,
    )
    .await;
    harness
        .post("/orders/by-iam/start", json!({"payment_id": "pmt-by-iam"}))
        .await
        .expect_started();
    assert_eq!(
        harness.wait_for_end("by-iam").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;

    // Lambda sets a function's credentials in these variables.
    let credentials = credentials();
    let mut environment = harness.environment.clone();
    for (name, value) in [
        ("DATABASE_URL", reader.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", ""),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
        ("AWS_SESSION_TOKEN", credentials.session_token().unwrap()),
    ] {
        environment.retain(|(known, _)| known != name);
        environment.push((name.to_owned(), value.to_owned()));
    }
    let lambda = Lambda::start(&environment).await;
    let read = async |path: &str| {
        lambda
            .call(ApiKind::Rest, &Call::get(path))
            .await
            .expect_status(200)
    };
    assert_eq!(
        read("/orders/by-iam?source=database").await["status"],
        "delivered"
    );
    assert!(
        read("/orders/by-iam/events").await["events"]
            .to_string()
            .contains("delivered")
    );
    let users: Vec<_> = rds
        .proxy
        .admitted
        .lock()
        .unwrap()
        .iter()
        .map(|(user, _)| user.clone())
        .collect();
    assert!(
        users.iter().any(|user| user == "orderflow_worker"),
        "{users:?}"
    );
    assert!(
        users.iter().any(|user| user == "orderflow_reader"),
        "{users:?}"
    );
    assert!(
        !harness.read_log("worker").contains("session"),
        "a credential is in the log"
    );
    rds.admin.close().await;
}

#[tokio::test]
async fn function_manages_endpoints_and_cannot_read_secrets() {
    let rds = Rds::start().await;
    let admin = rds.connect_as("orderflow_admin").await;
    let events = ["*".to_owned()];
    let new = NewEndpoint {
        id: "ep_1",
        url: "https://shop.example/hooks",
        events: &events,
        description: None,
        created_by: "test",
        secret: "whsec_Zmlyc3Q=",
    };
    assert!(endpoints::create(&admin, new).await.unwrap().is_some());
    let change = EndpointChange {
        description: Some(Some("shop")),
        ..EndpointChange::default()
    };
    let changed = endpoints::change(&admin, "ep_1", change).await.unwrap();
    assert_eq!(changed.unwrap().description.as_deref(), Some("shop"));
    let overlap = std::time::Duration::from_secs(60);
    for secret in ["whsec_c2Vjb25k", "whsec_dGhpcmQ="] {
        let end = endpoints::rotate_secret(&admin, "ep_1", secret, overlap).await;
        assert!(end.unwrap().is_some());
    }
    let test = endpoint_outbox::add_test(&admin, "ep_1", "msg_1")
        .await
        .unwrap();
    let id = test.unwrap().id;
    let again = endpoint_outbox::redeliver(&admin, "ep_1", id)
        .await
        .unwrap();
    assert_eq!(again.unwrap().id, id);
    assert!(endpoints::enable(&admin, "ep_1").await.unwrap().is_some());

    let count = "select count(*) from webhook_endpoint_secrets where secret like 'whsec_%'";
    for (role, may_read) in [
        ("orderflow_worker", true),
        ("orderflow_admin", false),
        ("orderflow_reader", false),
    ] {
        let pool = rds.connect_as(role).await;
        let read = sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await;
        assert_eq!(read.ok(), may_read.then_some(2), "{role}");
    }
    assert!(endpoints::delete(&admin, "ep_1").await.unwrap());
    rds.admin.close().await;
}

/// Since PostgreSQL 16, the creator of a role is its member, so the owner becomes an indirect member
/// of `rds_iam`. RDS accepts no password from these.
#[tokio::test]
async fn owner_logs_in_after_creating_the_roles() {
    let rds = Rds::start_without_roles().await;
    rds.create_owner().await;
    let (role, secret) = task_role().await;
    let url = rds.url("orderflow_owner").replace("/app?", "/owned?");
    let migrate = async |iam_auth: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_orderflow-under-test"));
        command
            .args(["migrate", "--json"])
            .env("DATABASE_URL", &url)
            .env("PGPASSWORD", "first")
            .env("DATABASE_IAM_AUTH", iam_auth)
            .env("AWS_REGION", REGION)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &role)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", secret)
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("TEMPORAL_ADDRESS", &shared_servers().await.temporal.address);
        let output = command.output().await.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
    };
    let owner_tokens = || {
        let admitted = rds.proxy.admitted.lock().unwrap();
        let owner = admitted
            .iter()
            .filter(|(user, _)| user == "orderflow_owner");
        owner.count()
    };
    // Before the roles exist, the owner has a password and no token.
    assert_eq!(migrate("fallback").await, (Some(0), String::new()));
    assert_eq!(owner_tokens(), 0);
    // One connection, which stays open while the owner is a member of `rds_iam`.
    let with_password = url.replace("orderflow_owner@", "orderflow_owner:first@");
    let owner = store::connect_lazy(&with_password, 1).unwrap();
    store::ping(&owner).await.unwrap();
    rds.create_roles_as_owner(&owner).await;
    owner.close().await;

    // Afterwards the password is refused.
    let (code, errors) = migrate("off").await;
    assert!(
        code == Some(1) && errors.contains("the user is not allowed to connect"),
        "{errors}"
    );
    assert_eq!(migrate("fallback").await, (Some(0), String::new()));
    assert!(owner_tokens() > 0);

    // The next deployment creates the roles again, over a new connection.
    let pool = store::connect_lazy(&url, 2).unwrap();
    let provider = RdsTokenProvider::new(
        &pool,
        REGION.to_owned(),
        credentials(),
        rds.proxy.clock.clone(),
    );
    let database = Database::with_token_provider(pool, provider.unwrap());
    rds.create_roles_as_owner(&database.connect().await.unwrap())
        .await;
}

#[tokio::test]
async fn unsuitable_url_for_iam_login_stops_the_start() {
    for (url, switch, expected) in [
        (
            "postgres://u@db.c1.eu-central-1.rds.amazonaws.com:5432/app",
            "on",
            "sslmode=verify-full",
        ),
        (
            "postgres://u@db:5432/app?sslmode=verify-full",
            "on",
            "AWS_REGION",
        ),
        (
            "postgres://u@db:5432/app",
            "yes",
            "DATABASE_IAM_AUTH=yes: unknown value; allowed: on, off, fallback",
        ),
    ] {
        let none = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "")];
        let settings = [
            &[("DATABASE_URL", url), ("DATABASE_IAM_AUTH", switch)][..],
            &none,
        ]
        .concat();
        let message = worker_start_error(&settings).await;
        assert!(
            message.contains(expected) && message.lines().count() == 1,
            "{message}"
        );
    }
}

#[test]
fn images_read_credentials_of_task_roles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../worker/Dockerfile");
    let dockerfile = fs::read_to_string(path).unwrap();
    let builds: Vec<_> = dockerfile
        .lines()
        .filter(|line| line.contains("cargo zigbuild"))
        .collect();
    assert_eq!(builds.len(), 2);
    for line in builds {
        let feature = if line.contains("--bin worker") {
            "--features orderflow-worker/aws"
        } else {
            "--features orderflow-cli/aws"
        };
        assert!(line.contains(feature), "{line}");
    }
}
