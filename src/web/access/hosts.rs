//! The names under which this server answers.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header, uri::Authority};

/// Host names that requests may ask for, in lower case. Addresses in numbers may always: only a name can be bound to somebody else's address
/// (DNS rebinding), and a browser that was led here by one says so in `Host`.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// `localhost`, and these.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names = names.into_iter().map(|name| name.to_lowercase());
        Self(std::iter::once("localhost".to_owned()).chain(names).collect())
    }

    /// # Errors
    /// The host that is asked for, if this is not its server. Programs that ask for none pass; browsers always do.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let named = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
        for given in [named, uri.authority().map(Authority::as_str)].into_iter().flatten() {
            let host = given.parse::<Authority>().map_or_else(|_| given.to_owned(), |authority| authority.host().to_lowercase());
            let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
            if bare.parse::<IpAddr>().is_err() && !self.0.iter().any(|name| name == bare) {
                return Err(bare.chars().take(100).collect());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_ours_is_another_s_and_a_number_is_nobody_s() {
        let hosts = Hosts::new(["Lab.example".into()]);
        let check = |host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            hosts.check(&Uri::from_static("/"), &headers)
        };
        for own in
            ["localhost", "LOCALHOST:8080", "lab.example", "lab.example.:80", "127.0.0.1:8080", "192.168.1.5", "[::1]:8080", "[fe80::1]"]
        {
            assert_eq!(check(own), Ok(()), "{own}");
        }
        for (foreign, expected) in [
            ("evil.example", "evil.example"),
            ("localhost.evil.example:8080", "localhost.evil.example"),
            ("127.0.0.1.evil.example", "127.0.0.1.evil.example"),
            ("a b", "a b"),
        ] {
            assert_eq!(check(foreign), Err(expected.to_owned()));
        }
        assert_eq!(hosts.check(&Uri::from_static("http://evil.example/"), &HeaderMap::new()), Err("evil.example".into()));
        assert_eq!(hosts.check(&Uri::from_static("/"), &HeaderMap::new()), Ok(()));
    }
}
