//! Structs whose keys are known: another key is an error that names the nearest of them, and what has a default may be left out.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};

/// Deserialises structs with named fields, for rules, metrics and whatever else goes into a configuration: `#[derive(Deserialize)]` passes over
/// keys that it does not know, and a misspelt one would be ignored.
///
/// It takes the place of that derive and works with every format that serde does. A key that is unknown is an error that names the nearest known
/// one. A field with `= default` may be left out, and where the struct itself has a default, `{ a, b, .. }` takes all of them from there; all others
/// are needed. `a as B` reads a `B`, from which the field is made by [`Into`]. Type parameters must be [`Deserialize`] themselves; `where` asks more of
/// them, and constants come after a semicolon: `Pair<A, B; K> where B: Default { … }`.
///
/// # Example
///
/// ```
/// use ambient_metric::known_keys;
///
/// #[derive(Debug, PartialEq)]
/// struct Warmed<S> {
///     steps: u64,
///     schedule: S,
/// }
///
/// known_keys! { Warmed<S> { steps = 100, schedule } }
///
/// let warmed: Warmed<f64> = serde_json::from_str(r#"{ "schedule": 0.1 }"#)?;
/// assert_eq!(warmed, Warmed { steps: 100, schedule: 0.1 });
/// let misspelt = serde_json::from_str::<Warmed<f64>>(r#"{ "shedule": 0.1 }"#).unwrap_err();
/// assert!(misspelt.to_string().starts_with("key `shedule` is unknown: the nearest known one is `schedule`, of `steps`, `schedule`"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[macro_export]
macro_rules! known_keys {
    ($(
        $name:ident $(<$($generic:ident),+ $(; $constant:ident)?>)? $(where $($bounded:ident: $bound:path),+)?
        { $($field:ident $(as $via:ty)? $(= $default:expr)?),+ $(,)? }
    )+) => {$(
        const _: () = {
            use $crate::keys::serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

            struct __Keys<T>(::core::marker::PhantomData<T>);

            impl<'de $($(, $generic: Deserialize<'de>)+ $(, const $constant: usize)?)?> Visitor<'de>
                for __Keys<$name $(<$($generic),+ $(, $constant)?>)?> $(where $($bounded: $bound),+)?
            {
                type Value = $name $(<$($generic),+ $(, $constant)?>)?;

                fn expecting(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    formatter.write_str(concat!("struct ", stringify!($name)))
                }

                fn visit_seq<__Access: SeqAccess<'de>>(self, mut values: __Access) -> ::core::result::Result<Self::Value, __Access::Error> {
                    $(let $field = values.next_element()?;)+
                    Ok($name { $($field: $crate::known_keys!(@value $field [$($via)?] [$($default)?])),+ })
                }

                fn visit_map<__Access: MapAccess<'de>>(self, mut map: __Access) -> ::core::result::Result<Self::Value, __Access::Error> {
                    $(let mut $field = None;)+
                    while let Some($crate::keys::Key(key)) = map.next_key()? {
                        match key.as_str() {
                            $(stringify!($field) => $crate::keys::fill(&mut $field, stringify!($field), &mut map)?,)+
                            unknown => return Err($crate::keys::unknown(unknown, &[$(stringify!($field)),+])),
                        }
                    }
                    Ok($name { $($field: $crate::known_keys!(@value $field [$($via)?] [$($default)?])),+ })
                }
            }

            impl<'de $($(, $generic: Deserialize<'de>)+ $(, const $constant: usize)?)?> Deserialize<'de>
                for $name $(<$($generic),+ $(, $constant)?>)? $(where $($bounded: $bound),+)?
            {
                fn deserialize<__Deserializer: Deserializer<'de>>(deserializer: __Deserializer) -> ::core::result::Result<Self, __Deserializer::Error> {
                    let keys = __Keys(::core::marker::PhantomData::<Self>);
                    deserializer.deserialize_struct(stringify!($name), &[$(stringify!($field)),+], keys)
                }
            }
        };
    )+};
    ($name:ident { $($field:ident),+ , .. }) => { $crate::known_keys! { $name { $($field = $name::default().$field),+ } } };
    (@value $field:ident [] []) => { $crate::keys::needed($field, stringify!($field))? };
    (@value $field:ident [$via:ty] []) => { $crate::keys::needed::<$via, _>($field, stringify!($field))?.into() };
    (@value $field:ident [] [$default:expr]) => { match $field { Some(value) => value, None => $default } };
}

pub use serde;

/// The name of a field as any format has it.
#[derive(Debug)]
pub struct Key(pub String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a field")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                Ok(Key(name.to_owned()))
            }
        }

        // Some formats write the names of fields as they do no other text.
        deserializer.deserialize_identifier(Name)
    }
}

/// Reads the value of a field that has not been there yet.
///
/// # Errors
///
/// A field that is there twice, and what reading finds.
pub fn fill<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    field: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *field = Some(map.next_value()?);
    Ok(())
}

/// The value of a field without a default.
///
/// # Errors
///
/// Where it was left out.
pub fn needed<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
    field.ok_or_else(|| E::missing_field(name))
}

/// The value of a field that was left out, if it is of the type that is written as this name alone.
///
/// # Errors
///
/// That the field is missing, if it is of another type.
pub fn named<'de, T: Deserialize<'de>, E: Error>(value: &'static str, name: &'static str) -> Result<T, E> {
    let value: serde::de::value::StrDeserializer<'static, serde::de::value::Error> = value.into_deserializer();
    T::deserialize(value).map_err(|_| E::missing_field(name))
}

/// The error for a key that is none of those that are known.
#[must_use]
pub fn unknown<E: Error>(key: &str, known: &[&str]) -> E {
    let nearest = crate::named::nearest(key, known);
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    E::custom(format_args!("key `{key}` is unknown: the nearest known one is `{nearest}`, of {}", names.join(", ")))
}
