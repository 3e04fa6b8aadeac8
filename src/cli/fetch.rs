//! `torchboard fetch`.

use std::{
    fs,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    config::Settings,
    data::{
        Datasets, Downloader, State,
        fetch::{FetchError, Progress, fetch},
        manifest::{self, GLOVE_6B_DIMENSIONS, GLOVE_LICENCE, GLOVE_SOURCE, Publication},
    },
    words::import::Import,
};

/// `torchboard fetch mnist|fashion-mnist|dermamnist|glove-6b`
#[derive(Debug, clap::Args)]
pub struct FetchArguments {
    /// What to fetch
    what: Fetchable,
    /// Which of `GloVe`'s dimensions to keep: 50, 100, 200 or 300
    #[arg(long, value_name = "D", default_value_t = 200)]
    dimension: usize,
    /// Fetch `GloVe` from this address instead of the publisher's
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Keep `GloVe`'s archive when its vectors are imported
    #[arg(long)]
    keep_archive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Fetchable {
    /// 70,000 handwritten digits (12 MB)
    Mnist,
    /// 70,000 articles of clothing (31 MB)
    FashionMnist,
    /// 10,015 images of skin lesions (20 MB; for non-commercial use)
    #[value(name = "dermamnist")]
    DermaMnist,
    /// `GloVe` vectors of 400,000 words, trained on 6 billion tokens (862 MB to fetch)
    #[value(name = "glove-6b")]
    Glove6b,
}

impl FetchArguments {
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        ensure!(self.address.is_none() || self.what == Fetchable::Glove6b, "--address is for glove-6b; data sets take --mirror URL");
        match self.what {
            Fetchable::Mnist => images("mnist", settings),
            Fetchable::FashionMnist => images("fashion-mnist", settings),
            Fetchable::DermaMnist => images("dermamnist", settings),
            Fetchable::Glove6b => self.glove_6b(settings),
        }
    }

    fn glove_6b(self, settings: &Settings) -> Result<ExitCode> {
        ensure!(
            GLOVE_6B_DIMENSIONS.contains(&self.dimension),
            "--dimension {} is not offered; choose one of 50, 100, 200, 300",
            self.dimension
        );
        let mut about = manifest::glove_6b();
        if let Some(address) = &self.address {
            about.files[0].addresses = vec![address.clone()];
        }
        let mirror = settings.mirror.as_deref().filter(|_| self.address.is_none());
        let folder = settings.data_dir.join("downloads");
        let paths = watched(&about, |progress| fetch(&about, &folder, mirror, &Downloader::default(), progress))?;
        let archive = paths[0].clone();
        let import = Import {
            file: archive.clone(),
            member_dimension: Some(self.dimension),
            id: format!("glove-6b-{}d", self.dimension),
            name: format!("GloVe 6B, {} dimensions", self.dimension),
            source: GLOVE_SOURCE.into(),
            licence: GLOVE_LICENCE.into(),
        };
        let folder = settings.data_dir.join("words");
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let imported = import.run_durable(&folder)?;
        if !self.keep_archive {
            fs::remove_file(&archive).with_context(|| format!("can't remove {}", archive.display()))?;
        }
        let info = imported.set.info();
        println!("{}: {} words of {} dimensions in {:.2} s", info.id, info.vocabulary, info.dimension, imported.elapsed.as_secs_f64());
        Ok(ExitCode::SUCCESS)
    }
}

/// Brings a data set of images, unless it is here.
fn images(id: &str, settings: &Settings) -> Result<ExitCode> {
    let datasets = Datasets::open(settings);
    let dataset = datasets.get(id)?;
    let mut status = datasets.status(dataset);
    if status.state != State::Ready {
        watched(&dataset.about, |progress| datasets.fetch(dataset, &Downloader::default(), progress))?;
        status = datasets.status(dataset);
    }
    if status.state != State::Ready {
        bail!("{id} was fetched and can't be used: {}", status.reason.unwrap_or_default());
    }
    let folder = status.files.first().and_then(|file| file.parent()).unwrap_or(&settings.data_dir);
    let count = |(split, count): &(crate::data::Split, usize)| format!("{count} {}", split.name());
    let splits: Vec<String> = dataset.splits.iter().map(count).collect();
    println!("{id}: {} images in {}", splits.join(", "), folder.display());
    println!("licence: {}", dataset.about.licence);
    Ok(ExitCode::SUCCESS)
}

/// Runs a fetch with a progress bar, or, where nobody watches, with a line for each file.
fn watched<T>(about: &Publication, run: impl FnOnce(&mut dyn FnMut(&Progress)) -> Result<T, FetchError>) -> Result<T> {
    let is_watched = std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(Some(about.bytes()), ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?);
    let mut named = String::new();
    let outcome = run(&mut |progress: &Progress| {
        if progress.file != named {
            named.clone_from(&progress.file);
            bar.set_message(named.clone());
            if !is_watched {
                // Nobody may be reading; that is no reason to stop.
                let _ = writeln!(std::io::stderr(), "fetching {named}");
            }
        }
        bar.set_length(progress.total);
        bar.set_position(progress.bytes);
    });
    bar.finish_and_clear();
    Ok(outcome?)
}
