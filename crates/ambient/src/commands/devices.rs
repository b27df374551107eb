//! `ambient devices`.

use ambient_studies::error::Error;
use ambient_studies::machines::choice::adapters;
use ambient_studies::machines::machine::table;
use ambient_studies::present::print::Format;
use clap::Args;

use super::choices::{FORMATS, choice};

/// The devices that --backend wgpu can run on.
///
/// Without --adapter the one is taken whose name contains `WGPU_ADAPTER_NAME`, and where that is not set the most capable:
/// a discrete GPU before an integrated one, and both before software.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  name              what --adapter asks for; a part of it is enough, in any case
  backend           the interface: Vulkan, Metal or DirectX 12
  kind              DiscreteGpu, IntegratedGpu, VirtualGpu, or Cpu for software
  driver            the driver and its version
  double precision  whether --precision f64 runs on it

Example:
  ambient devices --format json | jq -r '.[].name'")]
pub(super) struct Devices {
    /// How the results are printed.
    #[arg(long, value_parser = choice(&FORMATS), default_value = "table")]
    format: Format,
}

impl Devices {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        self.format.of(&adapters()?, |adapters| table(adapters))
    }
}
