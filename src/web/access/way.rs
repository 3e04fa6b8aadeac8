//! The way that a request took to this server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts, uri::Authority},
};

use super::Reach;

/// See the module. With a proxy before the server, what it says of whom it asks for.
#[derive(Debug, Clone)]
pub struct Way {
    /// Where it comes from.
    pub address: IpAddr,
    /// Whether nobody on the way can read it.
    pub is_encrypted: bool,
    /// The name that this server has for whoever asks, with the port.
    host: String,
    /// The path that its addresses begin with.
    base: String,
}

impl Way {
    /// The way of this request to a server that is reached so.
    pub fn of(request: &Request, reach: &Reach) -> Self {
        let connection: Option<&ConnectInfo<SocketAddr>> = request.extensions().get();
        let peer = connection.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(address)| address.ip().to_canonical());
        let is_proxied = reach.proxies.contains(&peer);
        let forwarded = |name: &str| request.headers().get(name).filter(|_| is_proxied).and_then(|value| value.to_str().ok());
        let given = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 names the host in the request itself.
        let host = given.or_else(|| request.uri().authority().map(Authority::as_str));
        Self {
            address: if is_proxied { client(request.headers(), &reach.proxies).unwrap_or(peer) } else { peer },
            is_encrypted: reach.is_encrypted || forwarded("x-forwarded-proto") == Some("https"),
            host: host.unwrap_or("localhost").to_owned(),
            base: reach.base.clone(),
        }
    }

    /// The whole address of a path of this server, as whoever asks can give it to others.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}://{}{}{path}", if self.is_encrypted { "https" } else { "http" }, self.host, self.base)
    }
}

/// For whom proxies ask: each adds at the end whom it was asked by, so that only what follows the last stranger is to be believed.
fn client(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
    let mut entries = lines.flat_map(|line| line.rsplit(',')).map(|entry| address(entry.trim()));
    entries.find(|entry| entry.is_none_or(|entry| !proxies.contains(&entry))).flatten()
}

fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl<S: Sync> FromRequestParts<S> for Way {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR) // every request passes the gate that puts it there
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client_of(lines: &[&'static str]) -> Option<String> {
        let headers = lines.iter().map(|line| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(line))).collect();
        client(&headers, &["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]).map(|address| address.to_string())
    }

    #[test]
    fn a_client_is_whom_the_last_known_proxy_was_asked_by() {
        assert_eq!(client_of(&["192.168.1.5"]).as_deref(), Some("192.168.1.5"));
        assert_eq!(
            client_of(&["1.2.3.4, 192.168.1.5, 10.0.0.2"]).as_deref(),
            Some("192.168.1.5"),
            "what comes before was made up by the client"
        );
        assert_eq!(client_of(&["1.2.3.4", "192.168.1.5"]).as_deref(), Some("192.168.1.5"));
        assert_eq!(client_of(&["192.168.1.5:4711"]).as_deref(), Some("192.168.1.5"));
        assert_eq!(client_of(&["1.2.3.4, rubbish"]), None, "who asked is not known");
        assert_eq!(client_of(&["10.0.0.2"]), None);
        assert_eq!(client_of(&[]), None);
    }
}
