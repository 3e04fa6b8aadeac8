//! `torchboard serve`.

use std::{
    io::IsTerminal as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    num::NonZeroU32,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;

use super::{certificate, network};
use crate::{
    config::Settings,
    web::{self, Certificate, Hosts, Reach},
};

#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // switches of a command line
pub struct ServeArguments {
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:8080, with --lan 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    address: Option<SocketAddr>,
    /// Share it on the network: others reach it, and need accounts
    #[arg(long)]
    lan: bool,
    /// With --lan: whoever reaches it may read without an account
    #[arg(long, requires = "lan")]
    open_to_read: bool,
    /// A name under which browsers reach it, beside this machine's own; may be repeated
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Encrypt with this certificate, in PEM, with those that vouch for it
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Encrypt with a certificate of our own making, which browsers ask about once
    #[arg(long, conflicts_with = "certificate")]
    self_signed: bool,
    /// The path under which a proxy shows it, as /lab/torchboard
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true, value_parser = web::prefix::check)]
    path_prefix: String,
    /// A proxy that is believed when it says for whom it asks (X-Forwarded-For, X-Forwarded-Proto); may be repeated
    #[arg(long = "proxy", value_name = "ADDRESS", requires = "lan")]
    proxies: Vec<IpAddr>,
    /// With --lan: answer so many requests of one address in a minute; 0 for any number
    #[arg(long, value_name = "N", default_value_t = 3000)]
    most_requests: u32,
    /// Runs that are trained at one time
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Leave the runs that come with the program out
    #[arg(long)]
    without_shipped_runs: bool,
    /// Open the dashboard in a browser
    #[arg(long)]
    open: bool,
}

impl ServeArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let listen = self.address.unwrap_or_else(|| (if self.lan { [0, 0, 0, 0] } else { [127, 0, 0, 1] }, 8080).into());
        anyhow::ensure!(
            self.lan || listen.ip().is_loopback(),
            "--address {listen}: others reach this address; add --lan, so that they need accounts, or name one of this machine's own (127.0.0.1, [::1])",
        );
        start_logging();
        anyhow::ensure!(
            !settings.data_dir.is_file(),
            "--data-dir {}: is a file; name a folder to keep things in",
            settings.data_dir.display()
        );
        let reach = Reach {
            is_shared: self.lan,
            is_open_to_read: self.open_to_read,
            is_encrypted: self.self_signed || self.certificate.is_some(),
            hosts: Hosts::new(network::names().into_iter().chain(self.hosts.iter().cloned())),
            base: self.path_prefix.clone(),
            proxies: self.proxies.iter().map(IpAddr::to_canonical).collect(),
            most_requests: NonZeroU32::new(self.most_requests),
        };
        let certificate = self.certificate(settings)?;
        let scheme = if reach.is_encrypted { "https" } else { "http" };
        let state = web::AppState::open(settings.clone(), reach, usize::from(self.workers), !self.without_shipped_runs)?;
        let invitation = if self.lan { state.accounts.first_invitation()? } else { None };
        let (queue, studies) = (state.queue.clone(), state.studies.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind(listen).with_context(|| {
                format!("can't listen on {listen}: is another server running there? Choose a port with --address {}:PORT", listen.ip())
            })?;
            let bound = listener.local_addr()?;
            // An address that means all of them leads nowhere in a browser.
            let own = if bound.ip().is_unspecified() { SocketAddr::new(Ipv4Addr::LOCALHOST.into(), bound.port()) } else { bound };
            let address = format!("{scheme}://{own}");
            let stop = stop_signal()?; // before the line below: whoever reads it may ask to stop at once
            // The connection queue is open from here on: whoever reads this line gets an answer.
            println!("listening on {address}");
            if self.lan {
                network::introduce(scheme, bound, &self.path_prefix, invitation.as_deref());
            }
            if self.open {
                open_browser(&address);
            }
            web::serve(listener, state, certificate, stop).await
        })?;
        // What is still computed for requests that are gone is not waited for.
        runtime.shutdown_timeout(LAST_COMPUTATIONS);
        studies.stop();
        queue.stop(LAST_CHECKPOINTS);
        Ok(ExitCode::SUCCESS)
    }
}

impl ServeArguments {
    /// What to encrypt with: as given, or made by us and kept in the data folder.
    fn certificate(&self, settings: &Settings) -> anyhow::Result<Option<Certificate>> {
        if self.self_signed {
            let names = network::names().into_iter().chain(self.hosts.iter().cloned());
            let made = certificate::of_our_own(&settings.data_dir.join("tls"), names.chain(network::addresses()).collect())?;
            eprintln!("the certificate's SHA-256 fingerprint, to be compared with what a browser shows: {}", made.fingerprint);
            return Ok(Some(made.files));
        }
        Ok(self.certificate.clone().zip(self.key.clone()).map(|(certificate, key)| Certificate { certificate, key }))
    }
}

/// Computations get this long after the last answer.
const LAST_COMPUTATIONS: std::time::Duration = std::time::Duration::from_secs(5);
/// Workers get this long to end by themselves; what they have not written by then, their last checkpoints hold up to an epoch.
const LAST_CHECKPOINTS: std::time::Duration = std::time::Duration::from_secs(20);

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::new("info,tower_http=warn");
    // Colours are for a terminal; a journal would keep them as control characters.
    let colours = std::io::stderr().is_terminal();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).try_init();
}

/// Completes when the terminal or the system asks to stop; both are listened for from the call on.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A browser that can't be opened is no reason not to serve: the address is on the screen.
fn open_browser(address: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if let Err(error) = std::process::Command::new(opener).arg(address).spawn() {
        eprintln!("can't open a browser with {opener} ({error}); open {address} yourself");
    }
}
