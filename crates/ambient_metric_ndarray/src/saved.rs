//! Parameters as data: their arrays by name.

use core::fmt;
use core::marker::PhantomData;

use ambient_metric::number::Element;
use ndarray::ArrayD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use crate::parameters::Parameters;

/// A map from the names to the arrays, each written as `ndarray` does.
impl<E: Element + Serialize> Serialize for Parameters<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names().count()))?;
        for name in self.names() {
            map.serialize_entry(name, &self.view(name).map_err(S::Error::custom)?)?;
        }
        map.end()
    }
}

/// A name that is there twice is refused.
impl<'de, E: Element + Deserialize<'de>> Deserialize<'de> for Parameters<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Arrays<E>(PhantomData<E>);

        impl<'de, E: Element + Deserialize<'de>> Visitor<'de> for Arrays<E> {
            type Value = Parameters<E>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("arrays by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut arrays: Vec<(String, ArrayD<E>)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    arrays.push(entry);
                }
                Parameters::new(arrays).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Arrays(PhantomData))
    }
}
