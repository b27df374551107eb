//! Training in a program that was built without it: every request says how to build it in.

/// A command that is not there.
macro_rules! absent {
    ($module:ident: $($(#[$doc:meta])* $name:ident),+) => {
        pub mod $module {
            //! Commands of the training, where it is not there.

            use clap::Args;

            use crate::error::Error;

            $(
                $(#[$doc])*
                #[derive(Args, Debug)]
                pub struct $name {
                    /// Whatever it is.
                    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
                    arguments: Vec<String>,
                }

                impl $name {
                    /// Would run.
                    ///
                    /// # Errors
                    ///
                    /// [`Error::NoTraining`].
                    pub fn run(self) -> Result<String, Error> {
                        Err(Error::NoTraining)
                    }
                }
            )+
        }
    };
}

absent!(command: #[doc = "Networks trained by the optimisers; this program was built without it."] Train);
absent!(
    sweep_command:
    #[doc = "Many runs of every optimiser; this program was built without it."]
    Sweep,
    #[doc = "Tables and pictures of runs; this program was built without it."]
    Report
);
