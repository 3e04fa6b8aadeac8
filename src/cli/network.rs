//! What `serve --lan` says in the terminal: the addresses at which others find this server, and the first administrator's link.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use qrcode::{EcLevel, QrCode, render::unicode};

/// The names of this machine: as it calls itself, and as it is called by multicast DNS.
pub fn names() -> Vec<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy().into_owned();
    match name.split('.').next() {
        Some(first) if !first.is_empty() => vec![first.to_owned(), format!("{first}.local"), name],
        _ => Vec::new(),
    }
}

/// The numbers under which others reach this machine now.
pub fn addresses() -> impl Iterator<Item = String> {
    reachable(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)).into_iter().map(|address| address.ip().to_string())
}

/// Prints them, the first with a code that a telephone reads.
pub fn introduce(scheme: &str, bound: SocketAddr, base: &str, invitation: Option<&str>) {
    let mut addresses: Vec<String> = reachable(bound).iter().map(|address| format!("{scheme}://{address}{base}")).collect();
    if addresses.is_empty() {
        println!("no network is connected; others will reach port {} once one is", bound.port());
        addresses.push(format!("{scheme}://127.0.0.1:{}{base}", bound.port()));
    } else {
        println!("on the network: {}", addresses.join("  "));
    }
    if let Some(code) = code(&addresses[0]) {
        println!("{code}");
    }
    if let Some(secret) = invitation {
        println!("there is no administrator yet; become one, within seven days, at");
        println!("    {}/join/{secret}", addresses[0]);
        println!("this link is shown this once; the next start shows another");
    }
}

/// The addresses at which other machines reach a socket that is bound so.
fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
    found.retain(|address| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => bound.is_ipv6() && !address.is_loopback() && !address.is_unicast_link_local(),
    });
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|address| SocketAddr::new(address, bound.port())).collect()
}

/// Two rows of squares to a line of text, with the margin that readers need. What is light is drawn, as terminals are dark: the library's names
/// for the two colours are those of dark ink on paper.
fn code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    Some(code.render::<unicode::Dense1x2>().dark_color(unicode::Dense1x2::Light).light_color(unicode::Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_and_has_its_margin() {
        let code = code("http://192.168.1.5:8080").unwrap();
        let lines: Vec<Vec<char>> = code.lines().map(|line| line.chars().collect()).collect();
        // Version 2: 25 squares, and 4 of margin on each side.
        assert!(lines.iter().all(|line| line.len() == 33) && lines.len() == 17, "{code}");
        assert!(lines[0].iter().chain(&lines[1]).all(|square| *square == '█'), "the margin is light");
    }

    #[test]
    fn what_is_bound_to_one_address_is_reached_there() {
        let bound: SocketAddr = "192.168.1.5:80".parse().unwrap();
        assert_eq!(reachable(bound), [bound]);
        assert!(reachable("0.0.0.0:80".parse().unwrap()).iter().all(|address| address.port() == 80 && !address.ip().is_loopback()));
    }
}
