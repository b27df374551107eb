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

/// The known name that this one is nearest to.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> &'k str {
    // Its initials (`lr`) and a part of a name, of more than a letter, are nearest to it; then likeness by Jaro and
    // Winkler, who weigh common beginnings, and by how many letters differ or have changed places.
    let likeness = |known: &str| {
        let initials: String = known.split('_').filter_map(|word| word.chars().next()).collect();
        let is_part = known.contains(name) || known.len() > 1 && name.contains(known) || name == initials;
        let likeness = strsim::jaro_winkler(name, known) + strsim::normalized_damerau_levenshtein(name, known);
        f64::from(u8::from(is_part)) * 2.0 + likeness
    };
    known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).copied().unwrap_or_default()
}
