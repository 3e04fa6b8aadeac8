//! Networks, and the device they run on.

mod device;

pub use device::{DeviceChoice, libtorch_version};
