//! Ports on 127.0.0.1.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

/// Returns a free port.
///
/// The port is used once and left in TIME_WAIT. For a minute the kernel does not assign it to another
/// process, but a server can bind it. Two concurrent processes therefore get different ports.
pub fn free_port() -> Result<u16> {
    let reserve = || -> std::io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let client = TcpStream::connect(address)?;
        // The side that closes first stays in TIME_WAIT, and that must be the server's side.
        let (server, _) = listener.accept()?;
        drop(server);
        drop(client);
        Ok(address.port())
    };
    reserve().context("failed to find a free port on 127.0.0.1")
}

/// Returns a free port below 32,768, which Temporal's server can store in its database. The kernel
/// assigns higher ports, so the number is random, and another process may bind it first.
pub fn free_low_port() -> Result<u16> {
    (0..1_000)
        .map(|_| rand::random_range(10_000..32_768))
        .find(|port| is_port_free(*port))
        .context("failed to find a free port from 10000 to 32767 on 127.0.0.1")
}

/// Returns whether a server can bind this port now.
#[must_use]
pub fn is_port_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Fails if the port is in use, with the flag that changes the port in the message.
pub fn require_free_port(port: u16, flag: &str) -> Result<()> {
    if !is_port_free(port) {
        bail!("port {port} is in use; free it or choose another with {flag}");
    }
    Ok(())
}

/// The requested port of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// This port only.
    Fixed(u16),
    /// This port if it is free, else any free port.
    Prefer(u16),
    /// Any free port.
    Free,
}

impl Port {
    /// Returns the port number. Fails if a fixed port is in use and names the flag that changes it.
    pub fn resolve(self, flag: &str) -> Result<u16> {
        match self {
            Self::Fixed(port) => require_free_port(port, flag).map(|()| port),
            Self::Prefer(port) => prefer_port(port),
            Self::Free => free_port(),
        }
    }
}

/// Returns the port if it is free, else any free port.
pub fn prefer_port(port: u16) -> Result<u16> {
    if is_port_free(port) {
        Ok(port)
    } else {
        free_port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_port_is_reported_with_its_flag() {
        let port = free_port().unwrap();
        require_free_port(port, "--http-port").unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = require_free_port(port, "--http-port")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("port {port} is in use; free it or choose another with --http-port")
        );
        assert_ne!(prefer_port(port).unwrap(), port);
    }

    #[test]
    fn low_port_fits_into_a_small_integer() {
        for _ in 0..20 {
            assert!(i16::try_from(free_low_port().unwrap()).is_ok());
        }
    }

    #[test]
    fn free_ports_are_distinct() {
        let ports: std::collections::BTreeSet<u16> =
            (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
