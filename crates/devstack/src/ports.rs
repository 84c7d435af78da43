//! Ports on 127.0.0.1: free ones, and wanted ones that turn out to be taken.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

/// A port that nobody listens on.
///
/// The port is used once and left in TIME_WAIT, so that the kernel hands it to nobody else for a minute; a server can
/// still bind it. Two processes that ask at the same time thus get two ports.
pub fn free_port() -> Result<u16> {
    let reserve = || -> std::io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let client = TcpStream::connect(address)?;
        // The side that closes first is the one that stays in TIME_WAIT: it must be the server's.
        let (server, _) = listener.accept()?;
        drop(server);
        drop(client);
        Ok(address.port())
    };
    reserve().context("failed to find a free port on 127.0.0.1")
}

/// Whether a server could listen on this port now.
#[must_use]
pub fn is_port_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Fails with the port and the flag that changes it if somebody listens on it.
pub fn require_free_port(port: u16, flag: &str) -> Result<()> {
    if !is_port_free(port) {
        bail!("port {port} is taken; free it or choose another with {flag}");
    }
    Ok(())
}

/// What somebody wants of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// This one and no other.
    Fixed(u16),
    /// This one if it is free, else any.
    Prefer(u16),
    /// Any.
    Free,
}

impl Port {
    /// The number; an error that names the flag if a fixed one is taken.
    pub fn resolve(self, flag: &str) -> Result<u16> {
        match self {
            Self::Fixed(port) => require_free_port(port, flag).map(|()| port),
            Self::Prefer(port) => prefer_port(port),
            Self::Free => free_port(),
        }
    }
}

/// The port itself if it is free, else another one.
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
    fn a_taken_port_is_named_with_the_flag_that_changes_it() {
        let port = free_port().unwrap();
        require_free_port(port, "--http-port").unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = require_free_port(port, "--http-port")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("port {port} is taken; free it or choose another with --http-port")
        );
        assert_ne!(prefer_port(port).unwrap(), port);
    }

    #[test]
    fn free_ports_do_not_repeat() {
        let ports: std::collections::BTreeSet<u16> =
            (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
