//! Counts and times of requests, for Prometheus.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Renders what has been counted.
pub struct Monitor(PrometheusHandle);

impl Monitor {
    /// Starts counting. Within one process all monitors count together.
    ///
    /// # Errors
    /// When the buckets of the histograms are refused.
    pub fn new() -> anyhow::Result<Self> {
        const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
        static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
        if let Some(handle) = HANDLE.get() {
            return Ok(Self(handle.clone()));
        }
        let recorder: PrometheusRecorder = PrometheusBuilder::new().set_buckets(&SECONDS)?.build_recorder();
        let handle = recorder.handle();
        // A second recorder could only come from a race of two first calls; then the first one counts for both.
        if metrics::set_global_recorder(recorder).is_ok() {
            let _ = HANDLE.set(handle);
        }
        metrics::describe_counter!("http_requests_total", "Requests answered, by method, route and status");
        metrics::describe_histogram!(
            "http_request_duration_seconds",
            metrics::Unit::Seconds,
            "Time to the response's head, by method and route"
        );
        Ok(Self(HANDLE.wait().clone()))
    }

    /// In Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Counts and times a request under its route's pattern, never under the address as typed.
pub async fn measure(path: MatchedPath, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().to_string();
    let route = path.as_str().to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("http_request_duration_seconds", "method" => method.clone(), "route" => route.clone())
        .record(start.elapsed().as_secs_f64());
    metrics::counter!("http_requests_total", "method" => method, "route" => route, "status" => status).increment(1);
    response
}
