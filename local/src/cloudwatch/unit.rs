//! Units of metrics.

use serde::{Deserialize, Serialize};

macro_rules! units {
    ($($unit:ident $name:literal),* $(,)?) => {
        /// A unit. Where a metric has several and a query names none, CloudWatch answers in the first of them in this
        /// order (observed; the documentation says otherwise).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "their names say it")]
        pub enum Unit {
            $(#[serde(rename = $name)] $unit,)*
        }

        impl Unit {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$unit),*];

            /// CloudWatch's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$unit => $name,)* }
            }
        }
    };
}

units! {
    Megabits "Megabits", Terabits "Terabits", Gigabits "Gigabits", Count "Count", Bytes "Bytes", Gigabytes "Gigabytes",
    GigabytesPerSecond "Gigabytes/Second", Kilobytes "Kilobytes", KilobitsPerSecond "Kilobits/Second",
    Terabytes "Terabytes", TerabitsPerSecond "Terabits/Second", BytesPerSecond "Bytes/Second", Percent "Percent",
    Megabytes "Megabytes", MegabitsPerSecond "Megabits/Second", Milliseconds "Milliseconds",
    Microseconds "Microseconds", KilobytesPerSecond "Kilobytes/Second", GigabitsPerSecond "Gigabits/Second",
    MegabytesPerSecond "Megabytes/Second", Bits "Bits", BitsPerSecond "Bits/Second", CountPerSecond "Count/Second",
    Seconds "Seconds", Kilobits "Kilobits", TerabytesPerSecond "Terabytes/Second", None "None",
}

impl Unit {
    /// The unit of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|unit| unit.name() == name)
    }
}
