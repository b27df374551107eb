//! The layout of a parameter space: which named parts it has, and the shape of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;

/// One named tensor of a parameter space.
///
/// # Example
///
/// ```
/// use ambient_metric::space::Part;
///
/// let scale = Part { name: "scale".into(), shape: vec![] };
/// assert_eq!(scale.elements(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, unique in the space.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
}

impl Part {
    /// How many elements the part has.
    ///
    /// ```
    /// let part = ambient_metric::space::Part { name: "w".into(), shape: vec![3, 4] };
    /// assert_eq!(part.elements(), 12);
    /// ```
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1, |elements, extent| elements.saturating_mul(*extent))
    }

    /// Rows and columns of the part as a matrix: its first axis, and all others as one; none where it has not two axes.
    ///
    /// ```
    /// // A convolution with 8 outputs.
    /// let kernel = ambient_metric::space::Part { name: "w".into(), shape: vec![8, 4, 3, 3] };
    /// assert_eq!(kernel.as_matrix(), Some([8, 36]));
    /// ```
    #[must_use]
    pub fn as_matrix(&self) -> Option<[usize; 2]> {
        let [rows, rest @ ..] = self.shape.as_slice() else { return None };
        let columns = rest.iter().fold(1, |elements: usize, extent| elements.saturating_mul(*extent));
        (!rest.is_empty()).then_some([*rows, columns])
    }
}

/// The parts of a parameter space, in the order in which sums run over them.
///
/// # Example
///
/// ```
/// use ambient_metric::Layout;
/// use ambient_metric::space::Part;
///
/// let layout = Layout::new(vec![Part { name: "w".into(), shape: vec![3, 4] }, Part { name: "b".into(), shape: vec![3] }])?;
/// assert_eq!(layout.elements(), 15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Shared by clones, so that comparing layouts in a step costs nothing.
    parts: Arc<[Part]>,
}

impl Layout {
    /// A layout with these parts.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateParameter`] where two parts share a name.
    pub fn new(parts: Vec<Part>) -> Result<Self, Error> {
        let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            if let [a, b] = pair
                && a == b
            {
                return Err(Error::DuplicateParameter { name: (*a).to_owned() });
            }
        }
        Ok(Self { parts: parts.into() })
    }

    /// The layout of a single tensor.
    ///
    /// ```
    /// assert_eq!(ambient_metric::Layout::single("theta", vec![2, 3]).elements(), 6);
    /// ```
    #[must_use]
    pub fn single(name: impl Into<String>, shape: Vec<usize>) -> Self {
        Self { parts: [Part { name: name.into(), shape }].into() }
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the parts, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.parts.iter().map(|part| part.name.clone()).collect()
    }

    /// The index of the part of this name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParameter`].
    ///
    /// ```
    /// assert_eq!(ambient_metric::Layout::single("theta", vec![2, 3]).index_of("theta")?, 0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn index_of(&self, name: &str) -> Result<usize, Error> {
        let unknown = || Error::UnknownParameter { name: name.to_owned(), known: self.names() };
        self.parts.iter().position(|part| part.name == name).ok_or_else(unknown)
    }

    /// How many elements all parts have together.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.parts.iter().fold(0, |elements, part| elements.saturating_add(part.elements()))
    }

    /// Accepts `other` where it has the same parts with the same shapes in the same order.
    ///
    /// # Errors
    ///
    /// [`Error::MissingParameter`], [`Error::UnknownParameter`] or [`Error::Shape`], naming the first part that differs.
    #[inline]
    pub fn check(&self, other: &Self) -> Result<(), Error> {
        if Arc::ptr_eq(&self.parts, &other.parts) { Ok(()) } else { self.compare(other) }
    }

    /// As [`check`](Self::check) of parts that may come in any order.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and [`Error::DuplicateParameter`].
    pub fn check_unordered(&self, mut parts: Vec<Part>) -> Result<(), Error> {
        let places: BTreeMap<&str, usize> = self.parts.iter().map(|part| part.name.as_str()).zip(0..).collect();
        parts.sort_by_key(|part| places.get(part.name.as_str()).copied().unwrap_or(usize::MAX));
        self.compare(&Self::new(parts)?)
    }

    /// The check of layouts that were made apart.
    fn compare(&self, other: &Self) -> Result<(), Error> {
        if self == other {
            return Ok(());
        }
        for part in self.parts() {
            match other.parts.iter().find(|candidate| candidate.name == part.name) {
                None => return Err(Error::MissingParameter { name: part.name.clone(), shape: part.shape.clone() }),
                Some(found) if found.shape != part.shape => {
                    return Err(Error::Shape {
                        name: part.name.clone(),
                        expected: part.shape.clone(),
                        found: found.shape.clone(),
                    });
                }
                Some(_) => {}
            }
        }
        match other.parts.iter().find(|part| !self.parts.iter().any(|known| known.name == part.name)) {
            Some(unknown) => Err(Error::UnknownParameter { name: unknown.name.clone(), known: self.names() }),
            // The same parts in another order: the first that stands elsewhere is where it should not be.
            None => Err(Error::UnknownParameter {
                name: other.parts.first().map(|part| part.name.clone()).unwrap_or_default(),
                known: self.names(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(name: &str, shape: &[usize]) -> Part {
        Part { name: name.to_owned(), shape: shape.to_vec() }
    }

    fn layout(parts: &[Part]) -> Layout {
        Layout { parts: parts.into() }
    }

    proptest! {
        #[test]
        fn elements_are_counted_over_all_parts(shapes in prop::collection::vec(prop::collection::vec(0..5_usize, 0..4), 0..5)) {
            let parts: Vec<Part> = shapes.iter().enumerate().map(|(index, shape)| part(&index.to_string(), shape)).collect();
            let count = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum::<usize>();
            prop_assert_eq!(layout(&parts).elements(), count);
            prop_assert_eq!(layout(&parts).names(), (0..shapes.len()).map(|index| index.to_string()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_name_that_appears_twice_is_refused() {
        let twice = Layout::new(vec![part("a", &[1]), part("b", &[1]), part("a", &[2])]);
        assert!(matches!(twice, Err(Error::DuplicateParameter { name }) if name == "a"));
        assert!(Layout::new(vec![part("b", &[1]), part("a", &[1])]).is_ok());
    }

    #[test]
    fn a_difference_between_layouts_is_named() {
        let expected = layout(&[part("a", &[2]), part("b", &[3])]);
        assert!(expected.check(&expected.clone()).is_ok());
        let found = |parts: &[Part]| expected.check(&layout(parts));
        assert!(
            matches!(found(&[part("a", &[2])]), Err(Error::MissingParameter { name, shape }) if name == "b" && shape == [3])
        );
        assert!(matches!(found(&[part("b", &[3])]), Err(Error::MissingParameter { name, .. }) if name == "a"));
        assert!(matches!(
            found(&[part("a", &[2]), part("b", &[4])]),
            Err(Error::Shape { name, expected, found }) if name == "b" && expected == [3] && found == [4]
        ));
        let more = found(&[part("a", &[2]), part("b", &[3]), part("c", &[1])]);
        assert!(matches!(more, Err(Error::UnknownParameter { name, known }) if name == "c" && known == ["a", "b"]));
        let turned = found(&[part("b", &[3]), part("a", &[2])]);
        assert!(matches!(turned, Err(Error::UnknownParameter { name, .. }) if name == "b"));
    }
}
