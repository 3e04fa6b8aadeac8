//! `torchboard fetch`.

use std::{
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    config::Settings,
    data::{
        Downloader,
        manifest::{self, Download, GLOVE_6B_DIMENSIONS},
    },
    words::import::{GLOVE_LICENCE, GLOVE_SOURCE, Import},
};

/// `torchboard fetch glove-6b`
#[derive(Debug, clap::Args)]
pub struct FetchArguments {
    /// What to fetch
    what: Fetchable,
    /// Which of `GloVe`'s dimensions to keep: 50, 100, 200 or 300
    #[arg(long, value_name = "D", default_value_t = 200)]
    dimension: usize,
    /// Fetch from this address instead of the publisher's
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Keep the publisher's archive when its vectors are imported
    #[arg(long)]
    keep_archive: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Fetchable {
    /// `GloVe` vectors of 400,000 words, trained on 6 billion tokens (862 MB to fetch)
    #[value(name = "glove-6b")]
    Glove6b,
}

impl FetchArguments {
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        match self.what {
            Fetchable::Glove6b => self.glove_6b(settings),
        }
    }

    fn glove_6b(self, settings: &Settings) -> Result<ExitCode> {
        ensure!(
            GLOVE_6B_DIMENSIONS.contains(&self.dimension),
            "--dimension {} is not offered; choose one of 50, 100, 200, 300",
            self.dimension
        );
        let mut download = manifest::glove_6b();
        if let Some(address) = &self.address {
            download.addresses = vec![address.clone()];
        }
        let archive = bring(&download, &settings.data_dir.join("downloads"))?;
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

/// Downloads with a progress bar, or, where nobody watches, without.
fn bring(download: &Download, folder: &Path) -> Result<PathBuf> {
    let bar = ProgressBar::with_draw_target(Some(download.bytes), ProgressDrawTarget::stderr());
    if !std::io::stderr().is_terminal() {
        eprintln!("fetching {} ({} MB)", download.file_name, download.bytes / 1_000_000);
    }
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?);
    bar.set_message(download.file_name.clone());
    let outcome = Downloader::default().fetch(download, folder, &mut |have, _| bar.set_position(have));
    bar.finish_and_clear();
    match outcome {
        Ok(path) => Ok(path),
        Err(error) => bail!(error),
    }
}
