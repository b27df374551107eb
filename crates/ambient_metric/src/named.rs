//! Names: of types, and of types without content, which serialise as their name, so that one is never read as another.

/// Serialises each of these unit structs as the string of its name, and refuses any other string.
macro_rules! named_unit {
    ($($name:ident),+) => {$(
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(stringify!($name))
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let found = <String as serde::Deserialize>::deserialize(deserializer)?;
                if found == stringify!($name) {
                    Ok(Self)
                } else {
                    let expected = concat!("`", stringify!($name), "`");
                    Err(serde::de::Error::invalid_value(serde::de::Unexpected::Str(&found), &expected))
                }
            }
        }
    )+};
}

/// The last segment of a type's name, without its parameters.
pub(crate) fn short_name<T: ?Sized>() -> String {
    let full = core::any::type_name::<T>();
    let without_parameters = full.split('<').next().unwrap_or(full);
    without_parameters.rsplit("::").next().unwrap_or(full).to_owned()
}
