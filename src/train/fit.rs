//! The fit loop.

use std::sync::atomic::AtomicBool;

use super::{
    Event, Metric, Outcome, Spec, State,
    classification::Classification,
    course::{Course, Extent, Setup},
    embedding::Embedding,
};
use crate::{
    data::{Datasets, Split},
    error::AppResult,
    models::Answer,
};

/// How a training ended, where it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// [`State::Done`] or [`State::Cancelled`].
    pub state: State,
    /// Why it is not done.
    pub reason: Option<String>,
    /// What a finished training leaves.
    pub outcome: Option<Outcome>,
}

/// Trains a network as `spec` says, or goes on with it. Says everything but the `end` event.
///
/// Every random choice comes from the seed and the epoch's number, so that a training that was interrupted and resumed ends with the same
/// weights, to the last bit, as one that was not.
///
/// # Errors
/// A configuration that can't be used, data that are not here, a disk that can't be written, a checkpoint of another training, a loss that
/// is no longer finite: each with a sentence on what to do.
pub fn run(spec: &Spec, datasets: &Datasets, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<Ended> {
    say(Event::State { state: State::Running, reason: None });
    let setup = Setup::new(spec)?;
    match setup.network.answer() {
        Answer::Classes => fit(Classification::load(&setup, datasets)?, setup, say, cancelled),
        Answer::Embedding => fit(Embedding::load(&setup, datasets)?, setup, say, cancelled),
    }
}

/// What one kind of training does in an epoch.
pub(super) trait Lesson {
    /// How much there is to do.
    fn extent(&self) -> Extent;

    /// Says what is to be learned, and gets ready. `false` when it was cancelled on the way.
    fn begin(&mut self, course: &Course, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<bool>;

    /// Learns from every example once, then validates; what was measured. `None` when it was cancelled on the way.
    fn epoch(&mut self, course: &mut Course, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<Option<Vec<Measured>>>;

    /// What is to be known beside the final weights to use the network, by name; kept with them.
    fn end(&mut self, _course: &Course, _say: &mut dyn FnMut(Event)) -> AppResult<Vec<(&'static str, String)>> {
        Ok(Vec::new())
    }
}

/// A number about an epoch: of which examples, its name, its value.
pub(super) type Measured = (Split, &'static str, f64);

fn fit(mut lesson: impl Lesson, setup: Setup, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<Ended> {
    let mut course = Course::new(setup, &lesson.extent())?;
    if !lesson.begin(&course, say, cancelled)? {
        return Ok(Ended { state: State::Cancelled, reason: Some("stopped before its first step".into()), outcome: None });
    }
    if course.spec.resume {
        course.resume(say)?;
    }
    while course.epoch < course.config.epochs {
        let (epoch, epochs) = (course.epoch, course.config.epochs);
        let Some(measured) = lesson.epoch(&mut course, say, cancelled)? else {
            let reason = format!("stopped in epoch {} of {epochs}; what was learned up to epoch {epoch} is kept", epoch + 1);
            return Ok(Ended { state: State::Cancelled, reason: Some(reason), outcome: None });
        };
        course.epoch += 1;
        for (split, name, value) in measured {
            say(Event::Metric(Metric {
                name: name.into(),
                split,
                epoch: course.epoch,
                step: course.epoch * course.steps_per_epoch,
                value,
            }));
        }
        say(Event::Progress(course.progress_now()));
        course.keep()?;
        say(Event::Checkpoint { epoch: course.epoch });
    }
    let told = lesson.end(&course, say)?;
    Ok(Ended { state: State::Done, reason: None, outcome: Some(Outcome { weights: course.finish(told)? }) })
}
