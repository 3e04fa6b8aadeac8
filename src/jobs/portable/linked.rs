//! The file of runs that another Torchboard gives by a link.
//!
//! Whoever gives the link chooses where this machine asks. So nothing but such a file can be asked for, wherever that is, and nothing of what is
//! answered is told: this machine is no window into what only it can reach.

use std::{
    io::{Read as _, Write},
    net::Ipv6Addr,
    time::Duration,
};

use ureq::{
    http::StatusCode,
    tls::{RootCerts, TlsConfig},
};

use crate::error::{AppError, AppResult};

/// No link is longer, in bytes.
const LONGEST: usize = 2000;
/// Letters of the secret at its end.
const SECRET: usize = 43;
/// Where the file is, behind the link.
const FILE: &str = "runs.torchboard";
/// Who takes no connection for so long does not answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Writes the file of runs that `link` gives into `output`: at most `most` bytes, and in no more time than `patience`.
///
/// # Errors
/// [`AppError::Invalid`] for `link`, with what to do: it is none, nobody answers there, there is no such file, or it is too large. When it can't
/// be written.
pub fn fetch_linked(link: &str, most: u64, patience: Duration, output: &mut dyn Write) -> AppResult<()> {
    let address = address_of(link.trim()).ok_or_else(no_link)?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(patience))
        .max_redirects(0) // the answer that leads elsewhere is the answer
        .proxy(None)
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .user_agent(concat!("torchboard/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut response = agent.get(address.as_str()).call().map_err(|error| no_answer(&error))?;
    if response.status() != StatusCode::OK {
        return Err(no_file());
    }
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut count = 0;
    loop {
        let read = body.read(&mut buffer).map_err(|_| not_whole(patience))?;
        if read == 0 {
            return Ok(());
        }
        count += read as u64;
        if count > most {
            return Err(too_large(most));
        }
        output.write_all(&buffer[..read])?;
    }
}

/// Where the file is that a link gives; `None` for what is no such link. All that is not plainly part of one is refused: other schemes, names
/// with passwords, queries, and whatever one reader of addresses might take for something else than another.
fn address_of(link: &str) -> Option<String> {
    if link.len() > LONGEST {
        return None;
    }
    let (scheme, rest) = link.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    // What the link shows may have been read in another language before its address was copied.
    let rest = match rest.split_once("?lang=") {
        Some((rest, language)) => (language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(rest)?,
        None => rest,
    };
    let (host, path) = rest.split_once('/')?;
    let names: Vec<&str> = path.split('/').collect();
    // A proxy may show that server under a path of another site.
    let [before @ .., "s", secret] = names.as_slice() else { return None };
    let fits = is_host(host) && before.iter().all(|name| is_name(name)) && secret.len() == SECRET && secret.bytes().all(is_of_secrets);
    fits.then(|| format!("{scheme}://{host}/{path}/{FILE}"))
}

/// A name or a number, with or without a port.
fn is_host(host: &str) -> bool {
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(number) => number.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_host && port.is_none_or(is_port)
}

/// As those of a path that a server is shown under.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !name.is_empty() && name != "." && name != ".." && name.bytes().all(is_plain)
}

fn is_of_secrets(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

fn no_link() -> AppError {
    AppError::invalid(
        "link",
        "is no shared link; expected the whole of one, such as http://lab:8080/s/..., as it was shown when it was made.",
    )
}

fn no_answer(error: &ureq::Error) -> AppError {
    if is_untrusted(error) {
        return AppError::invalid(
            "link",
            "leads to a server whose certificate this machine does not trust; open it in a browser, download the file there, and take that in.",
        );
    }
    AppError::invalid("link", "leads to a server that does not answer; see whether it runs, and whether this machine reaches it.")
}

fn no_file() -> AppError {
    AppError::invalid(
        "link",
        "gives no file of runs: it was made without one, was taken back, or has ended. Ask whoever made it for another.",
    )
}

fn not_whole(patience: Duration) -> AppError {
    let seconds = patience.as_secs();
    AppError::invalid(
        "link",
        format!("did not give its whole file within {seconds} s; open it in a browser, download the file there, and take that in."),
    )
}

fn too_large(most: u64) -> AppError {
    AppError::invalid(
        "link",
        format!("gives more than {most} bytes; open it in a browser, download the file there, and take it in by `torchboard import`."),
    )
}

/// Whether nothing else is wrong than that nobody whom this machine trusts vouches for the server.
fn is_untrusted(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Rustls(_) => true, // there is nobody whom it trusts
        ureq::Error::Io(error) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, BufRead as _, BufReader},
        net::{TcpListener, TcpStream},
        sync::{Arc, Mutex},
        thread,
    };

    use super::*;

    /// As long as those of links.
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-_";

    /// A server that answers each request as it is told to, and remembers their first lines.
    struct Other {
        link: String,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Other {
        fn start(answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + 'static) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let link = format!("http://{}/s/{LETTERS}", listener.local_addr().unwrap());
            let asked = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&asked);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                    log.lock().unwrap().extend(head.into_iter().next());
                    drop(answer(&mut stream)); // the client may hang up at any moment
                }
            });
            Self { link, asked }
        }

        /// One that always says the same.
        fn saying(head: &str, body: &[u8]) -> Self {
            let length = body.len();
            let said = [format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat();
            Self::start(move |stream| stream.write_all(&said))
        }

        fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }
    }

    /// What comes by the link, or why nothing does; and how much was written.
    fn fetched(link: &str, most: u64, patience: Duration) -> (Result<Vec<u8>, String>, usize) {
        let mut file = Vec::new();
        let outcome = match fetch_linked(link, most, patience, &mut file) {
            Ok(()) => Ok(file.clone()),
            Err(AppError::Invalid { field, reason }) if field == "link" => Err(reason),
            Err(other) => panic!("{other:?}"),
        };
        (outcome, file.len())
    }

    fn refused(link: &str) -> String {
        fetched(link, 1 << 20, Duration::from_secs(10)).0.unwrap_err()
    }

    #[test]
    fn a_link_is_one_whoever_shows_that_server_under_whatever_path() {
        for link in [
            format!("http://lab:8080/s/{LETTERS}"),
            format!("https://lab.example/s/{LETTERS}"),
            format!("https://lab.example/tools/torch_board-2/s/{LETTERS}"),
            format!("http://127.0.0.1/s/{LETTERS}"),
            format!("http://[fe80::1]:8080/s/{LETTERS}"),
            format!("http://[::1]/s/s/{LETTERS}"),
        ] {
            let address = Some(format!("{link}/runs.torchboard"));
            assert_eq!(address_of(&link), address, "{link}");
            assert_eq!(address_of(&format!("{link}?lang=fa")), address, "{link}");
        }
    }

    #[test]
    fn only_a_link_that_gives_runs_is_asked_for() {
        let other = Other::saying("200 OK", b"what only this machine can reach");
        let at = other.link.strip_suffix(&format!("/s/{LETTERS}")).unwrap().to_owned();
        let host = at.strip_prefix("http://").unwrap().to_owned();
        for link in [
            String::new(),
            LETTERS.to_owned(),
            at.clone(),
            format!("{at}/"),
            format!("{at}/s/"),
            format!("{at}/s/{}", &LETTERS[1..]),
            format!("{at}/s/{LETTERS}x"),
            format!("{at}/s/{}=", &LETTERS[1..]),
            format!("{at}/s/{LETTERS}/"),
            format!("{at}/s/{LETTERS}/runs.torchboard"),
            format!("{at}/s/{LETTERS}/../../admin"),
            format!("{at}/{LETTERS}"),
            format!("{at}/x/{LETTERS}"),
            format!("{at}//s/{LETTERS}"),
            format!("{at}/../s/{LETTERS}"),
            format!("{at}/./s/{LETTERS}"),
            format!("{at}/%2e%2e/s/{LETTERS}"),
            format!("{at}/a%2fb/s/{LETTERS}"),
            format!("{at}/a b/s/{LETTERS}"),
            format!("{at}/a;b/s/{LETTERS}"),
            format!("{at}/{}s/{LETTERS}", "long/".repeat(400)),
            format!("{at}/s/{LETTERS}?to=admin"),
            format!("{at}/s/{LETTERS}?lang=fa&to=admin"),
            format!("{at}/s/{LETTERS}?lang="),
            format!("{at}/admin?lang=/s/{LETTERS}"),
            format!("{at}/s/{LETTERS}#x"),
            format!("{at}/s/{LETTERS}?lang=fa#x"),
            format!("{at}/admin#/s/{LETTERS}"),
            format!("{at}/s/{LETTERS}\r\nX-Added: {LETTERS}"),
            format!("http://name@{host}/s/{LETTERS}"),
            format!("http://name:password@{host}/s/{LETTERS}"),
            format!("http://lab.example:80@{host}/s/{LETTERS}"),
            format!("http://{host}\\@lab.example/s/{LETTERS}"),
            format!("http://{host}#@lab.example/s/{LETTERS}"),
            format!("http://{host}:1/s/{LETTERS}"),
            format!("http:{host}/s/{LETTERS}"),
            format!("http:///{host}/s/{LETTERS}"),
            format!("//{host}/s/{LETTERS}"),
            format!("{host}/s/{LETTERS}"),
            format!("ftp://{host}/s/{LETTERS}"),
            format!("gopher://{host}/s/{LETTERS}"),
            format!("file:///s/{LETTERS}"),
            format!("file://{host}/s/{LETTERS}"),
            format!("javascript://{host}/s/{LETTERS}"),
            format!("http:///s/{LETTERS}"),
            format!("http://:80/s/{LETTERS}"),
            format!("http://lab:/s/{LETTERS}"),
            format!("http://lab:0/s/{LETTERS}"),
            format!("http://lab:+80/s/{LETTERS}"),
            format!("http://lab:65536/s/{LETTERS}"),
            format!("http://[::1/s/{LETTERS}"),
            format!("http://[::1%25lo]/s/{LETTERS}"),
            format!("http://[lab]/s/{LETTERS}"),
            format!("http://l\u{e4}b/s/{LETTERS}"),
            format!("http://lab\u{ff0f}x/s/{LETTERS}"),
        ] {
            assert!(refused(&link).starts_with("is no shared link"), "{link}");
        }
        assert!(other.asked().is_empty(), "{:?}", other.asked());
    }

    #[test]
    fn a_file_comes_whole_and_no_larger_than_it_may_be() {
        let body: Vec<u8> = (0..300_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let other = Other::saying("200 OK\r\nContent-Type: application/zip", &body);
        let fetched = |most: u64| fetched(&format!("  {}?lang=fa\n", other.link), most, Duration::from_secs(10));
        assert!(fetched(300_000).0.unwrap() == body, "it is another file");
        assert_eq!(other.asked(), [format!("GET /s/{LETTERS}/runs.torchboard HTTP/1.1")]);
        let (outcome, written) = fetched(299_999);
        assert!(outcome.unwrap_err().starts_with("gives more than 299999 bytes") && written < 300_000, "{written}");
    }

    #[test]
    fn an_answer_without_end_is_cut() {
        let other = Other::start(|stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0; 1 << 14])?;
            }
        });
        let (outcome, written) = fetched(&other.link, 1_000_000, Duration::from_secs(30));
        assert!(outcome.unwrap_err().starts_with("gives more than 1000000 bytes") && written <= 1_000_000, "{written}");
    }

    #[test]
    fn an_answer_that_leads_elsewhere_is_not_followed() {
        let elsewhere = Other::saying("200 OK", b"what only this machine can reach");
        for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let other = Other::saying(&format!("{status}\r\nLocation: {}/runs.torchboard", elsewhere.link), b"");
            assert!(refused(&other.link).starts_with("gives no file of runs"), "{status}");
            assert_eq!(other.asked().len(), 1);
        }
        assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
    }

    #[test]
    fn nothing_of_what_is_answered_is_told() {
        for status in ["404 Not Found", "401 Unauthorized", "403 Forbidden", "500 Internal Server Error", "206 Partial Content"] {
            let other = Other::saying(&format!("{status}\r\nServer: inner"), b"what only this machine can reach");
            assert_eq!(refused(&other.link), refused(&Other::saying("404 Not Found", b"").link), "{status}");
        }
        let nobody = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}/s/{LETTERS}", listener.local_addr().unwrap())
        };
        let silent = refused(&nobody);
        assert!(silent.starts_with("leads to a server that does not answer"), "{silent}");
        for said in ["SSH-2.0-OpenSSH_9.6\r\n", "+OK ready\r\n\r\n", "HTTP/1.1 200\u{0} OK\r\n\r\n", ""] {
            let other = Other::start(move |stream| stream.write_all(said.as_bytes()));
            assert_eq!(refused(&other.link), silent, "{said:?}");
        }
    }

    #[test]
    fn who_answers_slowly_or_breaks_off_is_given_up() {
        let waiting = |stream: &mut TcpStream| io::copy(stream, &mut io::sink()).map(drop);
        let other = Other::start(waiting);
        let (outcome, _) = fetched(&other.link, 1000, Duration::from_secs(1));
        assert!(outcome.unwrap_err().starts_with("leads to a server that does not answer"));
        let other = Other::start(move |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")?;
            waiting(stream)
        });
        let (outcome, _) = fetched(&other.link, 1000, Duration::from_secs(1));
        assert!(outcome.unwrap_err().starts_with("did not give its whole file"));
        let other = Other::start(|stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"));
        let (outcome, _) = fetched(&other.link, 1000, Duration::from_secs(10));
        assert!(outcome.unwrap_err().starts_with("did not give its whole file"));
    }
}
