//! `torchboard serve`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::Context as _;

use super::network;
use crate::{
    config::Settings,
    web::{self, Hosts, Reach},
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
            is_encrypted: false,
            hosts: Hosts::new(network::names().into_iter().chain(self.hosts)),
        };
        let state = web::AppState::open(settings.clone(), reach, usize::from(self.workers), !self.without_shipped_runs)?;
        let invitation = if self.lan { state.accounts.first_invitation()? } else { None };
        let (queue, studies) = (state.queue.clone(), state.studies.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| {
                format!("can't listen on {listen}: is another server running there? Choose a port with --address {}:PORT", listen.ip())
            })?;
            let bound = listener.local_addr()?;
            // An address that means all of them leads nowhere in a browser.
            let own = if bound.ip().is_unspecified() { SocketAddr::new(Ipv4Addr::LOCALHOST.into(), bound.port()) } else { bound };
            let address = format!("http://{own}");
            let stop = stop_signal()?; // before the line below: whoever reads it may ask to stop at once
            // The connection queue is open from here on: whoever reads this line gets an answer.
            println!("listening on {address}");
            if self.lan {
                network::introduce(bound, invitation.as_deref());
            }
            if self.open {
                open_browser(&address);
            }
            web::serve(listener, state, stop).await?;
            anyhow::Ok(())
        })?;
        studies.stop();
        queue.stop(LAST_CHECKPOINTS);
        Ok(ExitCode::SUCCESS)
    }
}

/// Workers get this long to end by themselves; what they have not written by then, their last checkpoints hold up to an epoch.
const LAST_CHECKPOINTS: std::time::Duration = std::time::Duration::from_secs(20);

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::new("info,tower_http=warn");
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
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
