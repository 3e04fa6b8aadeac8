//! How many requests one address may send.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::HashMapStateStore,
};

use super::Reach;
use crate::{
    accounts::network_of,
    error::{AppError, AppResult},
};

/// Addresses that have been silent are forgotten each time so many requests have come.
const REQUESTS_BETWEEN_CLEANINGS: u32 = 4096;

/// Counts requests of each address; a server that only this machine reaches counts none.
pub struct Limits {
    limiter: Option<RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>>,
    requests: AtomicU32,
}

impl Limits {
    /// As the server's owner said.
    pub fn new(reach: &Reach) -> Self {
        let limit = reach.most_requests.filter(|_| reach.is_shared);
        let limiter = limit.map(|limit| RateLimiter::hashmap(Quota::per_minute(limit)));
        Self { limiter, requests: AtomicU32::new(0) }
    }

    /// Counts one more. Whoever sits at this machine is not counted.
    ///
    /// # Errors
    /// [`AppError::TooMany`], which says when to come back.
    pub fn check(&self, address: IpAddr) -> AppResult<()> {
        let Some(limiter) = self.limiter.as_ref().filter(|_| !address.is_loopback()) else { return Ok(()) };
        if self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(REQUESTS_BETWEEN_CLEANINGS) {
            limiter.retain_recent();
        }
        limiter.check_key(&network_of(address)).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            AppError::TooMany { retry_after_seconds: wait.as_secs() + 1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::web::Hosts;

    fn limits(most_requests: u32, is_shared: bool) -> Limits {
        Limits::new(&Reach {
            is_shared,
            is_open_to_read: true,
            is_encrypted: false,
            hosts: Hosts::default(),
            base: String::new(),
            proxies: Vec::new(),
            most_requests: NonZeroU32::new(most_requests),
        })
    }

    #[test]
    fn an_address_is_answered_so_often_and_others_and_this_machine_are_not_touched() {
        let limits = limits(3, true);
        let address: IpAddr = "192.168.1.5".parse().unwrap();
        for _ in 0..3 {
            limits.check(address).unwrap();
        }
        assert!(matches!(limits.check(address), Err(AppError::TooMany { retry_after_seconds: 1..=60 })));
        limits.check("192.168.1.6".parse().unwrap()).unwrap();
        for _ in 0..10 {
            limits.check("127.0.0.1".parse().unwrap()).unwrap();
        }
    }

    #[test]
    fn without_a_limit_or_without_others_nothing_is_counted() {
        for limits in [limits(0, true), limits(1, false)] {
            for _ in 0..10 {
                limits.check("192.168.1.5".parse().unwrap()).unwrap();
            }
        }
    }
}
