//! What the stack runs as processes of their own: the worker and the HTTP API.

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::args::Service;

/// Runs one service until SIGTERM.
pub(crate) async fn serve(service: Service) -> Result<()> {
    // GAP: worker and API call their own crates here; until they exist, something that is healthy.
    let variable = match service {
        Service::Worker => "ORDERFLOW_HEALTH_ADDRESS",
        Service::Api => "ORDERFLOW_HTTP_ADDRESS",
    };
    let address = std::env::var(variable).with_context(|| format!("{variable} is not set"))?;
    let listener = TcpListener::bind(&address).await.with_context(|| format!("failed to listen at {address}"))?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream.read(&mut [0; 1024]).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";
        let _ = stream.write_all(answer).await;
    }
}
