//! Addresses of this machine.

use std::net::{IpAddr, Ipv6Addr};

/// Returns whether `host` is `localhost` or a loopback address, in a URL's or in a plain spelling.
///
/// Traffic to such a host does not leave the machine, so it needs no TLS.
///
/// ```
/// assert!(settings::is_loopback_host("127.0.0.1"));
/// assert!(settings::is_loopback_host("[::1]"));
/// assert!(!settings::is_loopback_host("127.0.0.1.example"));
/// ```
pub fn is_loopback_host(host: &str) -> bool {
    let without_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(|address| address.parse::<Ipv6Addr>().map(IpAddr::V6));
    let address = without_brackets.unwrap_or_else(|| host.parse());
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
