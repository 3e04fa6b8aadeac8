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
            Self::Cuda(index) if (index as i64) < tch::Cuda::device_count() => Ok(tch::Device::Cuda(index)),
            Self::Cuda(index) => anyhow::bail!(
                "--device cuda:{index}: libtorch sees {} GPUs. Use --device cpu, or see \"Running on a GPU\" in README.md",
                tch::Cuda::device_count().max(0)
            ),
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
pub fn libtorch_version() -> &'static str {
    "2.11.0"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_back_as_it_is_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(DeviceChoice::Cpu.resolve().unwrap(), tch::Device::Cpu);
    }
}
