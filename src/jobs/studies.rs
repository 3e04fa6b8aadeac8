//! Studies: what to try next is asked, tried as a run, and told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{Halt, Plan, Queue, supervise, supervisor::Wish};
use crate::{
    config::Settings,
    data::Datasets,
    error::{AppError, AppResult},
    store::{NewStudy, Origin, Run, Store, Study, Trial, TrialState},
    train::State,
    tune::{self, Outcome},
};

/// What happens to a study, for whoever looks on.
#[derive(Debug, Clone, Copy)]
pub enum StudyEvent<'a> {
    /// A trial begins, or goes on.
    Began(&'a Trial),
    /// A trial's run, as it stands.
    Progress(&'a Trial, &'a Run),
    /// A trial has ended.
    Ended(&'a Trial),
}

/// Who trains a study's runs.
pub enum Trainer {
    /// A server's queue, in its own order.
    Queue(Queue),
    /// This process, at once.
    Here(Settings),
}

/// Stores a study; it begins when somebody conducts it.
///
/// # Errors
/// [`AppError::Invalid`], which names the field; [`AppError::Unavailable`] when the data set is not here.
pub fn ask_study(store: &Store, settings: &Settings, datasets: &Datasets, name: &str, plan: &tune::Plan, state: State) -> AppResult<Study> {
    plan.check()?;
    trial_plan(plan, "", 1, &plan.space.value_at(&vec![0.0; plan.space.dimensions()])).resolve(settings, datasets, state)?;
    let new =
        NewStudy { id: None, name: name.to_owned(), system: plan.system.clone(), spec: plan.to_map(), origin: Origin::Trained, state };
    store.create_study(&new)
}

/// The trials as a sampler wants them told.
#[must_use]
pub fn history(plan: &tune::Plan, trials: &[Trial]) -> Vec<tune::Trial> {
    let told = |trial: &Trial| tune::Trial {
        parameters: plan.parameters(&trial.parameters),
        outcome: match (trial.state, trial.value) {
            (TrialState::Done, Some(value)) => Outcome::Value(value),
            (TrialState::Done | TrialState::Failed, _) => Outcome::Failed,
            (TrialState::Pruned, _) => Outcome::Pruned,
            (TrialState::Running | TrialState::Cancelled, _) => Outcome::Pending,
        },
    };
    trials.iter().map(told).collect()
}

/// The trial with the best value of those that came to their end.
#[must_use]
pub fn best_trial<'a>(plan: &tune::Plan, trials: &'a [Trial]) -> Option<&'a Trial> {
    let valued = trials
        .iter()
        .filter(|trial| trial.state == TrialState::Done)
        .filter_map(|trial| Some((trial, plan.direction().sign() * trial.value?)));
    valued.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(trial, _)| trial)
}

/// Between two looks at the runs of a study.
const PAUSE: Duration = Duration::from_millis(150);

/// A trial whose worker is gone is taken up again so often.
const MOST_RESUMES: u32 = 3;

/// Carries out a study that is `running`, from where it stands to its end.
///
/// # Errors
/// [`AppError::Conflict`] when another process conducts it; the store's own. What happens to a trial is no error.
pub fn conduct(
    store: &Store,
    datasets: &Datasets,
    settings: &Settings,
    trainer: &Trainer,
    id: &str,
    halt: &Halt,
    heard: &mut dyn FnMut(StudyEvent),
) -> AppResult<Study> {
    let _lock = lock(store, id)?;
    let study = store.study(id)?;
    let plan = match tune::Plan::from_map(&study.spec) {
        Ok(plan) => plan,
        Err(error) => {
            store.set_study_state(id, State::Failed, Some(&error.to_string()))?;
            return store.study(id);
        }
    };
    let mut conductor = Conductor {
        store,
        datasets,
        settings,
        trainer,
        plan,
        id,
        heard,
        pruned: BTreeSet::new(),
        here: BTreeMap::new(),
        resumed: BTreeMap::new(),
        taken_up: false,
    };
    let ended = conductor.run(halt);
    conductor.here.into_values().for_each(|supervisor| drop(supervisor.join()));
    match ended {
        Ok((state, reason)) => store.set_study_state(id, state, reason.as_deref())?,
        Err(error) => {
            // The store may be what is broken; then the study is found without its conductor later.
            let _ = store.set_study_state(id, State::Failed, Some(&error.to_string()));
            return Err(error);
        }
    }
    store.study(id)
}

/// Makes every study `interrupted` that is said to be running and has no conductor.
///
/// # Errors
/// The store's own.
pub fn recover_studies(store: &Store) -> AppResult<()> {
    for study in store.studies()?.iter().filter(|study| study.state == State::Running) {
        let age = Timestamp::now().duration_since(study.started_at.unwrap_or(study.created_at)).unsigned_abs();
        if age > Duration::from_secs(2)
            && let Ok(_lock) = lock(store, &study.id)
            && store.study(&study.id)?.state == State::Running
        {
            // Their runs are looked at anew when the study is resumed.
            for trial in study.trials.iter().filter(|trial| trial.state == TrialState::Running) {
                store.put_trial(&study.id, &Trial { state: TrialState::Cancelled, ended_at: Some(Timestamp::now()), ..trial.clone() })?;
            }
            store.set_study_state(&study.id, State::Interrupted, Some("its conductor is gone; it can be resumed"))?;
        }
    }
    Ok(())
}

/// Held while a study is conducted, by whichever process.
fn lock(store: &Store, id: &str) -> AppResult<File> {
    let folder = store.run_folder(id);
    fs::create_dir_all(&folder)?;
    let file = File::options().create(true).append(true).open(folder.join("conductor.lock"))?;
    file.try_lock().map_err(|_| AppError::Conflict(format!("The study {id} is conducted by another process.")))?;
    Ok(file)
}

fn trial_plan(plan: &tune::Plan, study: &str, number: u64, parameters: &tune::Parameters) -> Plan {
    Plan {
        system: plan.system.clone(),
        name: if study.is_empty() { String::new() } else { format!("{study} #{number}: {parameters}") },
        config: plan.config_of(parameters),
        seed: plan.seed,
        trial: (!study.is_empty()).then(|| (study.to_owned(), number)),
        ..Plan::default()
    }
}

struct Conductor<'a> {
    store: &'a Store,
    datasets: &'a Datasets,
    settings: &'a Settings,
    trainer: &'a Trainer,
    plan: tune::Plan,
    id: &'a str,
    heard: &'a mut dyn FnMut(StudyEvent),
    /// Trials that were asked to stop since they were worse than the others.
    pruned: BTreeSet<u64>,
    /// Threads that supervise runs in this process, by the run.
    here: BTreeMap<String, std::thread::JoinHandle<()>>,
    /// How often each trial was taken up again since its worker was gone.
    resumed: BTreeMap<u64, u32>,
    /// Whether trials that an earlier conductor left were taken up again.
    taken_up: bool,
}

impl Conductor<'_> {
    fn run(&mut self, halt: &Halt) -> AppResult<(State, Option<String>)> {
        loop {
            let study = self.store.study(self.id)?;
            let wish = halt.wish().or_else(|| study.stop_requested.then_some(Wish::Cancel));
            if let Some(wish) = wish {
                return self.stop(study, wish);
            }
            if !std::mem::replace(&mut self.taken_up, true) {
                for mut trial in study.trials {
                    if matches!(trial.state, TrialState::Running | TrialState::Cancelled) {
                        self.take_up(&mut trial)?;
                    }
                }
                continue;
            }
            let (mut active, mut proposed) = (0, study.trials.len() as u64);
            for mut trial in study.trials.clone() {
                if trial.state == TrialState::Running && !self.look(&mut trial, &study.trials)? {
                    active += 1;
                }
            }
            // What has just ended counts in what is asked next.
            let mut exhausted = false;
            while active < self.plan.parallel && proposed < self.plan.max_trials && !exhausted {
                exhausted = !self.begin()?;
                (active, proposed) = if exhausted { (active, proposed) } else { (active + 1, proposed + 1) };
            }
            if active == 0 {
                let all = format!("all {proposed} configurations of the space were tried");
                return Ok((State::Done, exhausted.then_some(all)));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Begins with the next trial; `false` when there is none.
    fn begin(&mut self) -> AppResult<bool> {
        let study = self.store.study(self.id)?;
        let history = history(&self.plan, &study.trials);
        let Some(parameters) = tune::ask(&self.plan.space, self.plan.sampler, self.plan.direction(), self.plan.seed, &history) else {
            return Ok(false);
        };
        let number = study.trials.last().map_or(1, |last| last.number + 1);
        let state = match self.trainer {
            Trainer::Queue(_) => State::Queued,
            Trainer::Here(_) => State::Running,
        };
        let new = trial_plan(&self.plan, self.id, number, &parameters).resolve(self.settings, self.datasets, state)?;
        let run = self.store.create_run(&new)?;
        let trial = Trial {
            number,
            parameters: parameters.into_iter().collect(),
            run: Some(run.id.clone()),
            state: TrialState::Running,
            value: None,
            started_at: Some(Timestamp::now()),
            ended_at: None,
        };
        self.store.put_trial(self.id, &trial)?;
        (self.heard)(StudyEvent::Began(&trial));
        self.train(run);
        Ok(true)
    }

    fn train(&mut self, run: Run) {
        match self.trainer {
            Trainer::Queue(queue) => queue.wake(),
            Trainer::Here(settings) => {
                let (store, settings, id) = (self.store.clone(), settings.clone(), run.id.clone());
                let supervisor = std::thread::spawn(move || {
                    if let Err(error) = supervise(&store, &settings, &run, &Halt::default(), &mut |_, _| {}) {
                        tracing::error!(run = run.id, "{error}");
                    }
                });
                self.here.insert(id, supervisor);
            }
        }
    }

    /// Goes on with a trial that has no end yet.
    fn take_up(&mut self, trial: &mut Trial) -> AppResult<()> {
        let run = trial.run.as_ref().and_then(|run| self.store.run(run).ok());
        (trial.state, trial.ended_at) = (TrialState::Running, None);
        match run {
            Some(run) if matches!(run.state, State::Cancelled | State::Interrupted) => {
                self.store.put_trial(self.id, trial)?;
                let state = if matches!(self.trainer, Trainer::Queue(_)) { State::Queued } else { State::Running };
                let run = self.store.resume_run(&run.id, state)?;
                (self.heard)(StudyEvent::Began(trial));
                self.train(run);
                Ok(())
            }
            // It ended, or goes on by itself, or is gone: the next look tells.
            _ => self.store.put_trial(self.id, trial),
        }
    }

    /// Looks how a trial's run stands; `true` when it has ended.
    fn look(&mut self, trial: &mut Trial, trials: &[Trial]) -> AppResult<bool> {
        let run = match trial.run.as_ref().map(|run| self.store.run(run)) {
            Some(Ok(run)) => run,
            Some(Err(AppError::NotFound { .. })) | None => return self.end(trial, TrialState::Failed, None).map(|()| true),
            Some(Err(error)) => return Err(error),
        };
        let value = run.best.get(&self.plan.objective).map(|best| best.value);
        let state = match run.state {
            State::Queued | State::Running => {
                self.prune(trial, &run, trials)?;
                (self.heard)(StudyEvent::Progress(trial, &run));
                return Ok(false);
            }
            State::Done if value.is_some() => TrialState::Done,
            State::Done | State::Failed => TrialState::Failed,
            State::Cancelled if self.pruned.contains(&trial.number) => TrialState::Pruned,
            // Its worker was killed from outside, or its server was: it goes on from its last checkpoint, unless that happens again and again.
            State::Interrupted if *self.resumed.entry(trial.number).and_modify(|times| *times += 1).or_insert(1) <= MOST_RESUMES => {
                return self.take_up(trial).map(|()| false);
            }
            State::Cancelled | State::Interrupted => TrialState::Cancelled,
        };
        self.end(trial, state, value).map(|()| true)
    }

    fn end(&mut self, trial: &mut Trial, state: TrialState, value: Option<f64>) -> AppResult<()> {
        (trial.state, trial.value, trial.ended_at) = (state, value, Some(Timestamp::now()));
        self.store.put_trial(self.id, trial)?;
        (self.heard)(StudyEvent::Ended(trial));
        Ok(())
    }

    /// Asks a run to stop that does worse than the others did.
    fn prune(&mut self, trial: &Trial, run: &Run, trials: &[Trial]) -> AppResult<()> {
        let Some(pruning) = self.plan.pruning else { return Ok(()) };
        if run.state != State::Running || self.pruned.contains(&trial.number) || !run.best.contains_key(&self.plan.objective) {
            return Ok(());
        }
        let values = |run: &str| -> AppResult<Vec<f64>> {
            let curves = self.store.curves(run)?;
            let series = curves.into_iter().find(|series| series.name == self.plan.objective);
            Ok(series.map(|series| series.points.iter().map(|point| point.value).collect()).unwrap_or_default())
        };
        let ended = trials.iter().filter(|other| other.state == TrialState::Done).filter_map(|other| other.run.as_ref());
        let ended: Vec<Vec<f64>> = ended.filter_map(|run| values(run).ok()).collect();
        if pruning.stops(self.plan.direction(), &values(&run.id)?, &ended) {
            self.pruned.insert(trial.number);
            self.store.request_stop(&run.id)?;
        }
        Ok(())
    }

    /// Ends early. Trials that run are cancelled with the study; a process that ends only lets go of them.
    fn stop(&mut self, study: Study, wish: Wish) -> AppResult<(State, Option<String>)> {
        let mut running: Vec<Trial> = study.trials.into_iter().filter(|trial| trial.state == TrialState::Running).collect();
        if wish == Wish::Interrupt {
            for trial in &mut running {
                self.end(trial, TrialState::Cancelled, None)?;
            }
            return Ok((State::Interrupted, Some("the server was stopped; the study can be resumed".to_owned())));
        }
        for run in running.iter().filter_map(|trial| trial.run.as_ref()) {
            match self.store.request_stop(run) {
                Ok(_) | Err(AppError::Conflict(_) | AppError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        while !running.is_empty() {
            let mut left = Vec::new();
            for mut trial in running {
                if !self.look(&mut trial, &[])? {
                    left.push(trial);
                }
            }
            running = left;
            std::thread::sleep(PAUSE);
        }
        Ok((State::Cancelled, None))
    }
}

/// A server's studies: those that wait are conducted, each on a thread of its own; cheap to clone.
#[derive(Clone)]
pub struct Studies(Arc<Conducted>);

struct Conducted {
    store: Store,
    settings: Settings,
    datasets: Datasets,
    queue: Queue,
    halts: Mutex<Option<Vec<Arc<Halt>>>>,
}

impl Studies {
    /// Marks what an earlier process left behind, then begins with the studies that wait.
    ///
    /// # Errors
    /// The store's own; when the system gives no thread.
    pub fn start(store: Store, settings: Settings, datasets: Datasets, queue: Queue) -> AppResult<Self> {
        recover_studies(&store)?;
        let studies = Self(Arc::new(Conducted { store, settings, datasets, queue, halts: Mutex::new(Some(Vec::new())) }));
        let dispatcher = studies.clone();
        std::thread::Builder::new().name("studies".into()).spawn(move || dispatcher.dispatch())?;
        Ok(studies)
    }

    /// Lets go of every study; they can be resumed. Call it before [`Queue::stop`].
    pub fn stop(&self) {
        let halts = self.0.halts.lock().unwrap_or_else(PoisonError::into_inner).take();
        halts.into_iter().flatten().for_each(|halt| halt.interrupt());
    }

    fn dispatch(&self) {
        for look in 0_u64.. {
            if look % 10 == 9
                && let Err(error) = recover_studies(&self.0.store)
            {
                tracing::warn!("{error}");
            }
            {
                let mut halts = self.0.halts.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(halts) = halts.as_mut() else { return };
                halts.retain(|halt| Arc::strong_count(halt) > 1);
                match self.0.store.claim_queued_study() {
                    Ok(Some(study)) => {
                        let halt = Arc::new(Halt::default());
                        halts.push(Arc::clone(&halt));
                        self.begin(study, halt);
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            std::thread::sleep(PAUSE * 2);
        }
    }

    fn begin(&self, study: Study, halt: Arc<Halt>) {
        let studies = self.clone();
        let conductor = move || {
            let Conducted { store, settings, datasets, queue, .. } = &*studies.0;
            if let Err(error) = conduct(store, datasets, settings, &Trainer::Queue(queue.clone()), &study.id, &halt, &mut |_| {}) {
                tracing::error!(study = study.id, "{error}");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("conductor".into()).spawn(conductor) {
            tracing::error!("can't start a thread: {error}"); // the study is found without its conductor, and becomes interrupted
        }
    }
}
