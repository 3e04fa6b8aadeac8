//! `torchboard serve`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;

use crate::{config::Settings, web};

#[derive(Debug, clap::Args)]
pub struct ServeArguments {
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    address: SocketAddr,
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
        anyhow::ensure!(
            self.address.ip().is_loopback(),
            "--address {}: only this machine's own addresses (127.0.0.1, [::1]) can be served for now, since there are no accounts yet",
            self.address
        );
        start_logging();
        anyhow::ensure!(
            !settings.data_dir.is_file(),
            "--data-dir {}: is a file; name a folder to keep things in",
            settings.data_dir.display()
        );
        let state = web::AppState::open(settings.clone(), usize::from(self.workers), !self.without_shipped_runs)?;
        let (queue, studies) = (state.queue.clone(), state.studies.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(self.address).await.with_context(|| {
                format!("can't listen on {}: is another server running there? Choose a port with --address 127.0.0.1:PORT", self.address)
            })?;
            let address = format!("http://{}", listener.local_addr()?);
            let stop = stop_signal()?; // before the line below: whoever reads it may ask to stop at once
            // The connection queue is open from here on: whoever reads this line gets an answer.
            println!("listening on {address}");
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
