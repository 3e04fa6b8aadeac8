//! Raw arguments and environment in, [`Settings`] out. The only reader of the environment.

use std::path::PathBuf;

use anyhow::Context as _;

/// What every command may be told, on the command line or by the environment.
#[derive(Debug, Clone, clap::Args)]
pub struct CommonArguments {
    /// Where runs, vectors and caches are kept [default: torchboard in the user's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "TORCHBOARD_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// A folder of data sets laid out as mnist/, fashion-mnist/, dermamnist*/, glove/, corpus/
    #[arg(long, global = true, value_name = "DIR", env = "TORCHBOARD_DATA", hide_env_values = true)]
    pub datasets: Option<PathBuf>,
    /// Fetch data sets from here instead of from their publishers: URL/mnist/train-images-idx3-ubyte.gz and so on
    #[arg(long, global = true, value_name = "URL", env = "TORCHBOARD_MIRROR", hide_env_values = true)]
    pub mirror: Option<String>,
    /// Where tensors live: auto, cpu or cuda:N
    #[arg(long, global = true, default_value = "auto")]
    pub device: crate::models::DeviceChoice,
    /// Threads for computation [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// The resolved settings that the rest of the program reads.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where runs, vectors and caches are kept; exists and is writable unless stated otherwise by the command.
    pub data_dir: PathBuf,
    /// A folder of data sets that is used as it is and never written to.
    pub datasets: Option<PathBuf>,
    /// Where data sets are fetched from instead of from their publishers.
    pub mirror: Option<String>,
    /// Where tensors live.
    pub device: crate::models::DeviceChoice,
    /// Threads for computation; at least one.
    pub threads: usize,
}

impl CommonArguments {
    /// Fills in the defaults.
    ///
    /// # Errors
    /// When no home folder can be determined and `--data-dir` is not given.
    pub fn resolve(self) -> anyhow::Result<Settings> {
        let data_dir = match self.data_dir {
            Some(given) => given,
            None => default_data_dir().context("there is no home folder; say where to keep things with --data-dir DIR")?,
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Settings {
            data_dir,
            datasets: self.datasets,
            mirror: self.mirror,
            device: self.device,
            threads: self.threads.map_or(cores, usize::from),
        })
    }
}

fn default_data_dir() -> anyhow::Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    Ok(etcetera::choose_base_strategy()?.data_dir().join("torchboard"))
}
