//! From a listening socket to the router: encryption, and patience with slow clients that ends.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    time::Duration,
};

use anyhow::Context as _;
use axum::ServiceExt as _;
use axum_server::{
    Handle, Server,
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tower::{Layer as _, util::MapRequestLayer};

use super::{AppState, prefix, router};

/// A client that has not said what it asks for by then is let go; so is one that says nothing between two requests.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// A client that takes nothing of its answer for so long is let go. Followers of events are sent a line more often than that.
const LONGEST_STALL: Duration = Duration::from_secs(30);
/// Requests under way get so long when the server is asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Files in PEM of a certificate, with those that vouch for it, and of its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Answers on `listener` until `stop` completes, then lets requests under way finish, for a few seconds at most.
///
/// # Errors
/// When the certificate can't be used, or the listener fails.
pub async fn serve(
    listener: std::net::TcpListener,
    state: AppState,
    certificate: Option<Certificate>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let stopping = handle.clone();
    tokio::spawn(async move {
        stop.await;
        stopping.graceful_shutdown(Some(LAST_REQUESTS));
    });
    // The path is made ours before a route is looked for.
    let base = state.reach.base.clone();
    let strip = MapRequestLayer::new(move |request| prefix::strip(&base, request));
    let service = strip.layer(router(state)).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum_server::from_tcp(listener)?.handle(handle);
    match certificate {
        None => patient(server.acceptor(Patient)).serve(service).await?,
        Some(certificate) => {
            let acceptor = RustlsAcceptor::new(encryption(&certificate).await?).acceptor(Patient);
            patient(server.acceptor(acceptor)).serve(service).await?;
        }
    }
    Ok(())
}

fn patient<A>(server: Server<SocketAddr, A>) -> Server<SocketAddr, A> {
    server.first_request_timeout(FIRST_REQUEST)
}

async fn encryption(certificate: &Certificate) -> anyhow::Result<RustlsConfig> {
    // Two providers could be compiled in by two libraries; which one is used is said here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    RustlsConfig::from_pem_file(&certificate.certificate, &certificate.key).await.with_context(|| {
        format!(
            "--certificate {} and --key {} can't be used: expected a certificate and its unencrypted key, both in PEM",
            certificate.certificate.display(),
            certificate.key.display()
        )
    })
}

/// Lets a connection go whose other end takes nothing.
#[derive(Debug, Clone, Copy)]
struct Patient;

impl<S> Accept<TcpStream, S> for Patient {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    type Service = S;
    type Future = Ready<std::io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(stream.set_nodelay(true).map(|()| {
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(LONGEST_STALL));
            (Box::pin(stream), service)
        }))
    }
}
