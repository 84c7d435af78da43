//! The update of the schema by the function `migrate`.

use std::time::Duration;

use tokio::time::{interval, timeout};

use crate::shared_servers::shared_servers;
use store::{
    PgPool,
    owner_session::{end_sessions, name_sessions},
};

fn open(url: &str, name: &str) -> PgPool {
    let pool = store::connect_lazy(url, 2).unwrap();
    name_sessions(&pool, name);
    pool
}

async fn is_sleeping(pool: &PgPool) -> bool {
    let running = "select exists (select from pg_stat_activity
        where datname = current_database() and state = 'active' and query like 'select pg_sleep%')";
    sqlx::query_scalar(running).fetch_one(pool).await.unwrap()
}

async fn wait_until_sleeping(pool: &PgPool, expected: bool) {
    let wait = async {
        let mut tick = interval(Duration::from_millis(20));
        while is_sleeping(pool).await != expected {
            tick.tick().await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.unwrap();
}

/// A function that runs out of time must leave no statement behind, which would keep its locks.
#[tokio::test]
async fn ended_session_stops_its_statement() {
    let url = shared_servers().await.create_database("end_sessions").await;
    // PostgreSQL keeps 63 bytes of a name.
    let long = format!("orderflow-migrate {}", "1".repeat(60));
    let (stopped, other) = (open(&url, &long), open(&url, "orderflow-migrate 2"));
    let pool = stopped.clone();
    let statement =
        tokio::spawn(async move { sqlx::query("select pg_sleep(600)").execute(&pool).await });
    wait_until_sleeping(&other, true).await;

    end_sessions(&other, "orderflow-migrate 3").await.unwrap();
    assert!(is_sleeping(&other).await);
    end_sessions(&stopped, &long).await.unwrap();
    assert!(statement.await.unwrap().is_err());
    wait_until_sleeping(&other, false).await;
}
