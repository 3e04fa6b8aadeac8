//! Which device tensors live on, chosen at run time.

use std::{fmt, str::FromStr};

/// `--device auto|cpu|cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU that libtorch can use, else the CPU.
    #[default]
    Auto,
    /// The CPU, even where a GPU is present.
    Cpu,
    /// One given GPU.
    Cuda(usize),
}

impl DeviceChoice {
    /// The device that this choice means on this machine.
    ///
    /// # Errors
    /// When a GPU is asked for that libtorch cannot use; the text says why.
    pub fn resolve(self) -> anyhow::Result<tch::Device> {
        match self {
            Self::Auto => Ok(tch::Device::cuda_if_available()),
            Self::Cpu => Ok(tch::Device::Cpu),
            Self::Cuda(index) => {
                let present = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
                anyhow::ensure!(index < present, "--device {self}: {}", why_not(present, tch::utils::has_cudart()));
                Ok(tch::Device::Cuda(index))
            }
        }
    }

    /// The name of the device that this choice means on this machine: `cpu` or `cuda:N`.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn name(self) -> anyhow::Result<String> {
        Ok(match self.resolve()? {
            tch::Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".to_owned(),
        })
    }
}

/// Why a GPU can't be had when libtorch sees `present` of them, and with its CUDA half loaded or not.
fn why_not(present: usize, cuda_is_loaded: bool) -> String {
    match (present, cuda_is_loaded) {
        (0, false) => "this libtorch is the CPU half alone; see \"Running on a GPU\" in README.md, or use --device cpu".into(),
        (0, true) => "libtorch's CUDA half is loaded but sees no GPU: see whether `nvidia-smi` lists one, or use --device cpu".into(),
        (1, _) => "there is 1 GPU, cuda:0".into(),
        (several, _) => format!("there are {several} GPUs, cuda:0 to cuda:{}", several - 1),
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected auto, cpu or cuda:N, got {text:?}");
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other.strip_prefix("cuda:").ok_or_else(wrong)?.parse().map(Self::Cuda).map_err(|_| wrong()),
        }
    }
}

/// The version of libtorch that this binary was built against, such as `2.11.0`.
#[must_use]
pub const fn libtorch_version() -> &'static str {
    env!("TORCHBOARD_LIBTORCH_VERSION")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_back_as_it_is_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn cuda_alone_means_the_first_gpu() {
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(DeviceChoice::Cpu.resolve().unwrap(), tch::Device::Cpu);
    }

    #[test]
    fn a_gpu_beyond_the_last_is_refused_by_its_name() {
        let error = DeviceChoice::Cuda(4096).resolve().unwrap_err().to_string();
        assert!(error.starts_with("--device cuda:4096: "), "{error}");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        assert!(why_not(0, false).contains("Running on a GPU"));
        assert!(why_not(0, true).contains("nvidia-smi"));
        assert_eq!(why_not(1, true), "there is 1 GPU, cuda:0");
        assert_eq!(why_not(4, true), "there are 4 GPUs, cuda:0 to cuda:3");
    }

    #[test]
    fn the_version_of_libtorch_comes_from_its_headers() {
        let parts: Vec<u32> = libtorch_version().split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(parts[..2], [2, 11], "tch 0.24 binds libtorch 2.11");
        assert_eq!(parts.len(), 3);
    }
}
