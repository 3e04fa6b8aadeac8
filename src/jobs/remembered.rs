//! Answers that take long to find, found once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::error::AppResult;

/// The last answers to questions; shared by all who ask.
pub(super) struct Remembered<Question, T> {
    most: usize,
    /// The last used first.
    known: Mutex<VecDeque<(Question, Slot<T>)>>,
}

/// Held while its answer is found, so that whoever asks for the same waits.
type Slot<T> = Arc<Mutex<Option<Arc<T>>>>;

impl<Question: PartialEq, T> Remembered<Question, T> {
    /// Room for so many; one more, and the one that was not asked for longest is forgotten.
    pub(super) fn new(most: usize) -> Self {
        Self { most, known: Mutex::default() }
    }

    /// What is known, or what `find` gives, which is then known. What fails is tried again by the next who asks.
    pub(super) fn get(&self, question: Question, find: impl FnOnce() -> AppResult<T>) -> AppResult<Arc<T>> {
        let slot = self.slot(question);
        let mut known = lock(&slot);
        if let Some(found) = &*known {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(find()?);
        *known = Some(Arc::clone(&found));
        Ok(found)
    }

    fn slot(&self, question: Question) -> Slot<T> {
        let mut known = lock(&self.known);
        let place = known.iter().position(|(other, _)| *other == question);
        let entry = place.and_then(|place| known.remove(place)).unwrap_or_else(|| (question, Arc::default()));
        let slot = Arc::clone(&entry.1);
        known.truncate(self.most - 1);
        known.push_front(entry);
        slot
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::AppError;

    #[test]
    fn what_is_asked_again_is_not_found_again_until_it_is_forgotten() {
        let (remembered, found) = (Remembered::new(2), AtomicUsize::new(0));
        let ask = |question: u8| {
            let find = || {
                found.fetch_add(1, Ordering::Relaxed);
                Ok(question * 2)
            };
            (*remembered.get(question, find).unwrap(), found.load(Ordering::Relaxed))
        };
        assert_eq!([ask(1), ask(1), ask(2), ask(1)], [(2, 1), (2, 1), (4, 2), (2, 2)]);
        assert_eq!([ask(3), ask(1), ask(2)], [(6, 3), (2, 3), (4, 4)], "2 was not asked for longest");
    }

    #[test]
    fn what_failed_is_tried_again_and_two_who_ask_at_once_find_once() {
        let (remembered, found) = (Remembered::new(2), AtomicUsize::new(0));
        assert!(remembered.get(1, || Err::<u8, _>(AppError::not_found("nothing yet"))).is_err());
        let ask = || {
            remembered.get(1, || {
                found.fetch_add(1, Ordering::Relaxed);
                Ok(7)
            })
        };
        let answers = std::thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|thread| *thread.join().unwrap().unwrap()));
        assert_eq!((answers, found.into_inner()), ([7, 7], 1));
    }
}
