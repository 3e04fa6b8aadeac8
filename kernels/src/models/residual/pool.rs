//! What threads work in, kept from one task to the next.

use std::sync::{Mutex, PoisonError};

/// Things that are lent to one thread at a time.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    /// Works with one that is free, or a new one.
    pub(super) fn lend(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T)) {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = free().pop();
        let mut lent = found.unwrap_or_else(new);
        work(&mut lent);
        free().push(lent);
    }
}
