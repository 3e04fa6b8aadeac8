//! How often one may try to sign in.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::{AppError, AppResult};

/// Attempts that failed or are under way: of one account, wherever they come from, and of one address, whomever it tries, within [`WINDOW`].
const MOST_OF_ACCOUNT: usize = 10;
const MOST_OF_ADDRESS: usize = 20;
const WINDOW: Duration = Duration::from_mins(15);
/// Names and addresses that are remembered; beyond that, those whose last failure is longest ago are forgotten.
const MOST_KNOWN: usize = 10_000;

/// What failed lately. It is not stored: a restart is an administrator's own doing.
#[derive(Default)]
pub struct Attempts {
    accounts: Counter<String>,
    addresses: Counter<IpAddr>,
}

impl Attempts {
    /// Whether one more may be tried. It counts as failed until [`Self::succeeded`] says otherwise, so that of many at one time no more get through.
    ///
    /// # Errors
    /// [`AppError::TooMany`] when too many failed lately, by account or by address.
    pub fn begin(&self, name: &str, address: IpAddr) -> AppResult<()> {
        let now = Instant::now();
        let waits = [self.addresses.begin(network_of(address), MOST_OF_ADDRESS, now), self.accounts.begin(key(name), MOST_OF_ACCOUNT, now)];
        match waits.into_iter().flatten().max() {
            Some(wait) => Err(AppError::TooMany { retry_after_seconds: wait.as_secs() + 1 }),
            None => Ok(()),
        }
    }

    /// It succeeded: whoever has the password is not kept out by failures before it, and one success of an address makes up for itself alone.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        self.accounts.forget(&key(name));
        self.addresses.take_back(&network_of(address));
    }
}

fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// What counts as one address: whoever has one of version 6 has a network of 64 bits of them.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        short @ IpAddr::V4(_) => short,
    }
}

/// Times of failures, the oldest first.
struct Counter<Key>(Mutex<HashMap<Key, Vec<Instant>>>);

impl<Key> Default for Counter<Key> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Key: Eq + Hash + Clone> Counter<Key> {
    /// Counts one more, unless `most` lie within the window already: then how long to wait until they don't.
    fn begin(&self, key: Key, most: usize, now: Instant) -> Option<Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = known.get(&key).map(Vec::as_slice).unwrap_or_default();
        let decisive = failures.len().checked_sub(most).map(|place| failures[place]);
        if let Some(wait) = decisive.and_then(|decisive| WINDOW.checked_sub(now.saturating_duration_since(decisive))) {
            return Some(wait);
        }
        if known.len() >= MOST_KNOWN && !known.contains_key(&key) {
            let oldest = known.iter().min_by_key(|(_, failures)| failures.last().copied()).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| known.remove(&oldest));
        }
        let failures = known.entry(key).or_default();
        failures.retain(|failure| now.saturating_duration_since(*failure) < WINDOW);
        failures.push(now);
        None
    }

    fn take_back(&self, key: &Key) {
        if let Some(failures) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            failures.pop();
        }
    }

    fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_count_within_the_window_only() {
        let counter = Counter::<&str>::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for second in 0..3 {
            assert_eq!(counter.begin("a", 3, at(second)), None);
        }
        assert_eq!(counter.begin("a", 3, at(3)), Some(Duration::from_secs(15 * 60 - 3)));
        assert_eq!(counter.begin("b", 3, at(3)), None);
        assert_eq!(counter.begin("a", 3, start + WINDOW + Duration::from_millis(1)), None, "the first of the three is too long ago");
        assert!(counter.begin("a", 3, start + WINDOW + Duration::from_millis(2)).is_some());
        counter.take_back(&"a");
        assert_eq!(counter.begin("a", 3, start + WINDOW + Duration::from_millis(3)), None);
        counter.forget(&"a");
        assert_eq!(counter.begin("a", 1, at(4)), None);
    }

    #[test]
    fn a_name_is_tried_from_many_addresses_no_more_often_than_from_one_and_an_address_no_more_names() {
        let attempts = Attempts::default();
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        for last in 0..MOST_OF_ACCOUNT as u8 {
            attempts.begin("sara ", address(last)).unwrap();
        }
        assert!(matches!(attempts.begin("SARA", address(99)), Err(AppError::TooMany { retry_after_seconds }) if retry_after_seconds > 800));
        for name in 0..MOST_OF_ADDRESS {
            attempts.begin(&name.to_string(), address(77)).unwrap();
        }
        assert!(attempts.begin("omid", address(77)).is_err());
        attempts.begin("omid", address(99)).unwrap();
        attempts.succeeded("sara", address(1));
        attempts.begin("sara", address(99)).unwrap();
    }

    #[test]
    fn one_network_of_version_six_is_one_address() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.7"), IpAddr::from([10, 0, 0, 7]));
    }
}
