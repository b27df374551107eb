//! Matrices on a device: a tiled product, and the Newton–Schulz iteration that Muon stands on.

use core::marker::PhantomData;

use ambient_metric::number::Element;
use ambient_metric::space::{MatrixPart, MatrixTensor, NewtonSchulz, Part, Selection, Separable, Transpose};
use ambient_metric::{Error, Tensor};
use ambient_metric_trace::Wgsl;

use crate::context::Context;
use crate::element::DeviceElement;
use crate::error::DeviceError;
use crate::pass::{bind_group, short};
use crate::tensor::{Chunk, DeviceTensor, Place};

/// Rows and columns of the result that one workgroup computes.
const TILE: usize = 64;

/// How far along the inner dimension a workgroup loads at a time.
const DEPTH: usize = 16;

/// Rows and columns of the result that one invocation computes.
const MICRO: usize = TILE / 16;

/// Workgroups that add squares, and invocations in each.
const SUMMANDS: u32 = 256;

/// A matrix on a device, its rows one after the other.
///
/// # Example
///
/// ```
/// use ambient_metric_wgpu::{Context, DeviceMatrix, Transpose};
///
/// # let Ok(context) = Context::new(None) else { return Ok(()) };
/// let a = DeviceMatrix::new(&context, 2, 3, &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let gram = a.product(Transpose::No, &a, Transpose::Yes)?;
/// assert_eq!(gram.to_host()?, [14.0, 32.0, 32.0, 77.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct DeviceMatrix<E> {
    context: Context,
    rows: usize,
    columns: usize,
    chunk: Chunk,
    /// In elements from the start of the chunk.
    start: usize,
    element: PhantomData<E>,
}

impl<E: DeviceElement> DeviceMatrix<E> {
    /// A matrix from its elements, row after row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where their number is not rows × columns; [`Error::Empty`] where it is zero; [`Error::Backend`]
    /// where the device fails or one binding cannot hold them.
    pub fn new(context: &Context, rows: usize, columns: usize, elements: &[E]) -> Result<Self, Error> {
        if rows.checked_mul(columns) != Some(elements.len()) {
            let (expected, found) = (vec![rows, columns], vec![elements.len()]);
            return Err(Error::Shape { name: "matrix".to_owned(), expected, found });
        }
        let matrix = Self::zeros(context, rows, columns)?;
        context.write(&matrix.chunk.buffer, 0, bytemuck::cast_slice(elements))?;
        Ok(matrix)
    }

    fn zeros(context: &Context, rows: usize, columns: usize) -> Result<Self, Error> {
        context.check_precision::<E>()?;
        if rows == 0 || columns == 0 {
            return Err(Error::Empty);
        }
        let bytes = (rows as u64).saturating_mul(columns as u64).saturating_mul(E::SIZE);
        let allowed = context.device().limits().max_storage_buffer_binding_size;
        if bytes > allowed {
            return Err(DeviceError::OutOfMemory { bytes, purpose: "a matrix in one binding" }.into());
        }
        let chunk = Chunk { buffer: context.buffer("a matrix", bytes)?, offset: 0, bytes: bytes.max(16) };
        Ok(Self { context: context.clone(), rows, columns, chunk, start: 0, element: PhantomData })
    }

    /// A part of a tensor [as a matrix](Part::as_matrix), without a copy.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParameter`]; [`Error::Shape`] where the part has fewer than two axes; [`Error::Empty`]; [`Error::Backend`] where the
    /// part is spread over several bindings.
    pub fn of_part(tensor: &DeviceTensor<E>, name: &str) -> Result<Self, Error> {
        let layout = &tensor.space().layout;
        let unknown = || Error::UnknownParameter { name: name.to_owned(), known: layout.names() };
        let index = layout.parts().iter().position(|part| part.name == name).ok_or_else(unknown)?;
        let part = layout.parts().get(index);
        let Some([rows, columns]) = part.and_then(Part::as_matrix) else {
            let found = part.map(|part| part.shape.clone()).unwrap_or_default();
            return Err(Error::Shape { name: name.to_owned(), expected: vec![0, 0], found });
        };
        let mut segments = tensor.space().segments.iter().filter(|segment| segment.part == index);
        let (Some(segment), None) = (segments.next(), segments.next()) else {
            if rows == 0 || columns == 0 {
                return Err(Error::Empty);
            }
            let bytes = (rows * columns) as u64 * E::SIZE;
            return Err(DeviceError::OutOfMemory { bytes, purpose: "a matrix in one binding" }.into());
        };
        let chunk = tensor.chunks().get(segment.chunk).cloned();
        let chunk = chunk.ok_or_else(|| DeviceError::Misuse("a segment without a buffer".to_owned()))?;
        let start = usize::try_from(segment.start / E::SIZE).unwrap_or(usize::MAX);
        Ok(Self { context: tensor.context().clone(), rows, columns, chunk, start, element: PhantomData })
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The elements, row after row, copied to the host.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device fails.
    pub fn to_host(&self) -> Result<Vec<E>, Error> {
        let offset = self.chunk.offset + self.start as u64 * E::SIZE;
        let bytes = (self.rows * self.columns) as u64 * E::SIZE;
        let bytes = self.context.read(&self.chunk.buffer, offset, bytes)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// op(A) op(B); enqueued, nothing is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the inner dimensions differ, [`Error::Backend`] where the device fails.
    pub fn product(&self, transpose: Transpose, other: &Self, other_transpose: Transpose) -> Result<Self, Error> {
        self.enqueue_product(transpose, other, other_transpose, 1.0, None)
    }

    /// α op(A) op(B) + β C.
    fn enqueue_product(
        &self,
        transpose: Transpose,
        other: &Self,
        other_transpose: Transpose,
        alpha: f64,
        addend: Option<(f64, &Self)>,
    ) -> Result<Self, Error> {
        self.context.check_same(&other.context)?;
        let shape = |matrix: &Self, transpose| match transpose {
            Transpose::No => (matrix.rows, matrix.columns),
            Transpose::Yes => (matrix.columns, matrix.rows),
        };
        let ((rows, inner), (other_inner, columns)) = (shape(self, transpose), shape(other, other_transpose));
        if inner != other_inner {
            let (expected, found) = (vec![inner, columns], vec![other_inner, columns]);
            return Err(Error::Shape { name: "the second factor".to_owned(), expected, found });
        }
        if let Some((_, addend)) = addend
            && [addend.rows, addend.columns] != [rows, columns]
        {
            let (expected, found) = (vec![rows, columns], vec![addend.rows, addend.columns]);
            return Err(Error::Shape { name: "the addend".to_owned(), expected, found });
        }
        let context = &self.context;
        let result = Self::zeros(context, rows, columns)?;
        let text = product_shader(E::DOUBLE, transpose, other_transpose, addend.is_some());
        let mut writable = vec![false, false, false, false];
        let mut chunks = vec![&self.chunk, &other.chunk];
        if let Some((_, addend)) = addend {
            chunks.push(&addend.chunk);
            writable.push(false);
        }
        chunks.push(&result.chunk);
        writable.push(true);
        let pipeline = context.pipeline(&text, &writable)?;
        let addend_start = addend.map_or(0, |(_, addend)| addend.start);
        let sizes = [rows, columns, inner, self.start, other.start, addend_start];
        let sizes = sizes.into_iter().map(short).collect::<Result<Vec<u32>, _>>()?;
        let factors = [E::constant(alpha), E::constant(addend.map_or(0.0, |(beta, _)| beta))];
        let (size_buffer, factor_buffer) = (uniforms(context, &sizes)?, uniforms(context, &factors)?);
        let groups = (short(columns.div_ceil(TILE))?, short(rows.div_ceil(TILE))?);
        let allowed = context.device().limits().max_compute_workgroups_per_dimension;
        if groups.0.max(groups.1) > allowed {
            let problem = format!("a side of {} is more than the device has workgroups for", rows.max(columns));
            return Err(DeviceError::Rule { rule: "a matrix product".to_owned(), problem }.into());
        }
        context.guarded("a matrix product", || {
            let mut resources = vec![size_buffer.as_entire_binding(), factor_buffer.as_entire_binding()];
            resources.extend(chunks.iter().map(|chunk| binding(chunk)));
            dispatch(context, &pipeline, resources, groups);
        })?;
        Ok(result)
    }

    /// Sums of squares, one per workgroup, and behind them the largest size of every workgroup, in units of which they are summed, so that squares
    /// stay in range; enqueued, nothing is waited for.
    fn squares(&self) -> Result<wgpu::Buffer, Error> {
        let context = &self.context;
        let partials = context.buffer("partial sums", 2 * u64::from(SUMMANDS) * E::SIZE)?;
        let sizes = uniforms(context, &[short(self.rows * self.columns)?, short(self.start)?])?;
        let squares = context.pipeline(&squares_shader(E::DOUBLE), &[false, false, true])?;
        context.guarded("a sum of squares", || {
            let resources = vec![sizes.as_entire_binding(), binding(&self.chunk), partials.as_entire_binding()];
            dispatch(context, &squares, resources, (SUMMANDS, 1));
        })?;
        Ok(partials)
    }

    /// The matrix divided by its Frobenius norm; a matrix of zeros stays one.
    fn divided_by_norm(&self) -> Result<Self, Error> {
        let context = &self.context;
        let result = Self::zeros(context, self.rows, self.columns)?;
        let partials = self.squares()?;
        let sizes = uniforms(context, &[short(self.rows * self.columns)?, short(self.start)?])?;
        let scale = context.pipeline(&scale_shader(E::DOUBLE), &[false, false, false, true])?;
        context.guarded("a normalisation", || {
            let sizes = sizes.as_entire_binding();
            let resources = vec![sizes, binding(&self.chunk), partials.as_entire_binding(), binding(&result.chunk)];
            dispatch(context, &scale, resources, (SUMMANDS, 1));
        })?;
        Ok(result)
    }

    /// The Newton–Schulz iteration X ← aX + b(XXᵀ)X + c(XXᵀ)²X from X = M/‖M‖, which brings the singular values near one and
    /// leaves the singular vectors: approximately the polar factor (MMᵀ)^(−1/2) M. Enqueued, nothing is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device fails.
    ///
    /// ```
    /// use ambient_metric_wgpu::{Context, DeviceMatrix, NewtonSchulz};
    ///
    /// # let Ok(context) = Context::new(None) else { return Ok(()) };
    /// let m = DeviceMatrix::new(&context, 1, 2, &[3.0_f32, 4.0])?;
    /// let polar = m.newton_schulz(NewtonSchulz::default())?.to_host()?;
    /// let length = polar[0].hypot(polar[1]);
    /// assert!((0.6..1.3).contains(&length) && (polar[1] / polar[0] - 4.0 / 3.0).abs() < 1e-5);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn newton_schulz(&self, iteration: NewtonSchulz) -> Result<Self, Error> {
        iteration.polar(self)
    }
}

impl<E: DeviceElement> MatrixPart for DeviceMatrix<E> {
    type Element = E;

    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn like(&self, rows: usize, columns: usize, elements: &[E]) -> Result<Self, Error> {
        Self::new(&self.context, rows, columns, elements)
    }

    fn to_host(&self) -> Result<Vec<E>, Error> {
        DeviceMatrix::to_host(self)
    }

    fn combine(
        &self,
        transpose: Transpose,
        other: &Self,
        other_transpose: Transpose,
        alpha: f64,
        addend: Option<(f64, &Self)>,
    ) -> Result<Self, Error> {
        self.enqueue_product(transpose, other, other_transpose, alpha, addend)
    }

    /// Waits for the device: the number is asked for.
    fn norm(&self) -> Result<f64, Error> {
        let bytes = self.context.read(&self.squares()?, 0, 2 * u64::from(SUMMANDS) * E::SIZE)?;
        let partials: Vec<f64> =
            bytemuck::pod_collect_to_vec::<u8, E>(&bytes).into_iter().map(Element::widen).collect();
        let (sums, sizes) = partials.split_at(partials.len() / 2);
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        let squares = sums.iter().zip(sizes).filter(|(sum, _)| **sum != 0.0);
        let sum: f64 = squares.map(|(sum, size)| sum * (size / largest).powi(2)).sum();
        Ok(if sum == 0.0 { 0.0 } else { largest * sum.sqrt() })
    }

    fn normalised(&self) -> Result<Self, Error> {
        self.divided_by_norm()
    }
}

impl<E: DeviceElement> MatrixTensor for DeviceTensor<E> {
    type Matrix = DeviceMatrix<E>;

    /// The part itself, without a copy.
    fn matrix(&self, part: usize) -> Result<DeviceMatrix<E>, Error> {
        let parts = self.layout().parts();
        let found = parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })?;
        DeviceMatrix::of_part(self, &found.name)
    }

    fn set_matrix(&mut self, part: usize, matrix: &DeviceMatrix<E>) -> Result<(), Error> {
        let target = self.matrix(part)?;
        if [target.rows, target.columns] != [matrix.rows, matrix.columns] {
            let name = self.layout().parts().get(part).map(|part| part.name.clone()).unwrap_or_default();
            let (expected, found) = (vec![target.rows, target.columns], vec![matrix.rows, matrix.columns]);
            return Err(Error::Shape { name, expected, found });
        }
        let context = &target.context;
        context.check_same(&matrix.context)?;
        let place = |matrix: &DeviceMatrix<E>| matrix.chunk.offset + matrix.start as u64 * E::SIZE;
        context.guarded("a copy", || {
            let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(
                &matrix.chunk.buffer,
                place(matrix),
                &target.chunk.buffer,
                place(&target),
                (matrix.rows * matrix.columns) as u64 * E::SIZE,
            );
            context.queue().submit([encoder.finish()]);
        })?;
        Ok(())
    }
}

impl<E: DeviceElement> Separable for DeviceTensor<E> {
    fn select(&self, selection: &Selection) -> Result<Self, Error> {
        let selected = Self::zeros(self.context(), selection.layout().clone())?;
        for (own, other) in self.places(selection)? {
            self.copy(&own, &selected, &other)?;
        }
        Ok(selected)
    }

    fn place(&mut self, selection: &Selection, selected: &Self) -> Result<(), Error> {
        selection.layout().check(selected.layout())?;
        for (own, other) in self.places(selection)? {
            selected.copy(&other, self, &own)?;
        }
        Ok(())
    }
}

impl<E: DeviceElement> DeviceTensor<E> {
    /// Where what is selected of every part lies here, and where in the selection.
    fn places(&self, selection: &Selection) -> Result<Vec<(Place, Place)>, Error> {
        let parts = self.layout().parts();
        let place = |(number, (&part, selected)): (usize, (&usize, &Part))| {
            let found = parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })?;
            let stretches = selection.stretches(number);
            if stretches.last().is_some_and(|last| last.end > found.elements()) {
                let (expected, found_shape) = (selected.shape.clone(), found.shape.clone());
                return Err(Error::Shape { name: found.name.clone(), expected, found: found_shape });
            }
            Ok((Place { part, stretches }, Place::whole(number, selected.elements())))
        };
        selection.parts().iter().zip(selection.layout().parts()).enumerate().map(place).collect()
    }
}

fn uniforms<T: bytemuck::Pod>(context: &Context, numbers: &[T]) -> Result<wgpu::Buffer, DeviceError> {
    let bytes = bytemuck::cast_slice(numbers);
    let buffer = context.buffer("sizes and factors", bytes.len() as u64)?;
    context.write(&buffer, 0, bytes)?;
    Ok(buffer)
}

fn binding(chunk: &Chunk) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer: &chunk.buffer,
        offset: chunk.offset,
        size: core::num::NonZeroU64::new(chunk.bytes),
    })
}

fn dispatch(
    context: &Context,
    pipeline: &wgpu::ComputePipeline,
    resources: Vec<wgpu::BindingResource<'_>>,
    groups: (u32, u32),
) {
    let group = bind_group(context, pipeline, resources);
    let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(groups.0, groups.1, 1);
        context.count_dispatch();
    }
    context.queue().submit([encoder.finish()]);
}

/// The kernel of α op(A) op(B) + β C: a workgroup computes a tile, an invocation a small square of it.
fn product_shader(double: bool, first: Transpose, second: Transpose, adds: bool) -> String {
    let wgsl = Wgsl { double, width: 1 };
    let (scalar, zero) = (wgsl.scalar(), wgsl.literal(0.0));
    let place = |transpose, row: &str, column: &str, rows: &str, columns: &str| match transpose {
        Transpose::No => format!("({row}) * {columns} + {column}"),
        Transpose::Yes => format!("({column}) * {rows} + {row}"),
    };
    let a = place(first, "row", "step + k", "rows", "inner");
    let b = place(second, "step + k", "column", "inner", "columns");
    let (addend, result_binding, sum) = if adds {
        let addend = format!("@group(0) @binding(4) var<storage, read> addend: array<{scalar}>;\n");
        (addend, 5, " + factors[1] * addend[sizes[5] + at]")
    } else {
        (String::new(), 4, "")
    };
    let loads = TILE * DEPTH / 256;
    format!(
        "// Rows, columns and inner dimension, then where each matrix starts.
@group(0) @binding(0) var<storage, read> sizes: array<u32>;
// α and β.
@group(0) @binding(1) var<storage, read> factors: array<{scalar}>;
@group(0) @binding(2) var<storage, read> a: array<{scalar}>;
@group(0) @binding(3) var<storage, read> b: array<{scalar}>;
{addend}@group(0) @binding({result_binding}) var<storage, read_write> result: array<{scalar}>;

var<workgroup> tile_a: array<{scalar}, {elements}>;
var<workgroup> tile_b: array<{scalar}, {elements}>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {{
    let rows = sizes[0];
    let columns = sizes[1];
    let inner = sizes[2];
    let first_row = workgroup.y * {TILE}u;
    let first_column = workgroup.x * {TILE}u;
    var sums: array<{scalar}, {squares}>;
    for (var step = 0u; step < inner; step = step + {DEPTH}u) {{
        for (var load = 0u; load < {loads}u; load = load + 1u) {{
            let index = lane + load * 256u;
            let k = index % {DEPTH}u;
            let row = first_row + index / {DEPTH}u;
            var value_a = {zero};
            if (row < rows && step + k < inner) {{
                value_a = a[sizes[3] + {a}];
            }}
            tile_a[index] = value_a;
            let column = first_column + index / {DEPTH}u;
            var value_b = {zero};
            if (column < columns && step + k < inner) {{
                value_b = b[sizes[4] + {b}];
            }}
            tile_b[index] = value_b;
        }}
        workgroupBarrier();
        for (var k = 0u; k < {DEPTH}u; k = k + 1u) {{
            for (var i = 0u; i < {MICRO}u; i = i + 1u) {{
                let value = tile_a[(local.y * {MICRO}u + i) * {DEPTH}u + k];
                for (var j = 0u; j < {MICRO}u; j = j + 1u) {{
                    let other = tile_b[(local.x * {MICRO}u + j) * {DEPTH}u + k];
                    sums[i * {MICRO}u + j] = sums[i * {MICRO}u + j] + value * other;
                }}
            }}
        }}
        workgroupBarrier();
    }}
    for (var i = 0u; i < {MICRO}u; i = i + 1u) {{
        for (var j = 0u; j < {MICRO}u; j = j + 1u) {{
            let row = first_row + local.y * {MICRO}u + i;
            let column = first_column + local.x * {MICRO}u + j;
            if (row < rows && column < columns) {{
                let at = row * columns + column;
                result[at] = factors[0] * sums[i * {MICRO}u + j]{sum};
            }}
        }}
    }}
}}
",
        elements = TILE * DEPTH,
        squares = MICRO * MICRO,
    )
}

/// The kernel that adds squares, one partial sum per workgroup.
fn squares_shader(double: bool) -> String {
    let wgsl = Wgsl { double, width: 1 };
    let (scalar, zero, half) = (wgsl.scalar(), wgsl.literal(0.0), SUMMANDS / 2);
    let least = wgsl.literal(if double { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) });
    format!(
        "@group(0) @binding(0) var<storage, read> sizes: array<u32>;
@group(0) @binding(1) var<storage, read> matrix: array<{scalar}>;
@group(0) @binding(2) var<storage, read_write> partials: array<{scalar}>;

var<workgroup> sums: array<{scalar}, {SUMMANDS}>;
var<workgroup> sizes_of_lanes: array<{scalar}, {SUMMANDS}>;

@compute @workgroup_size({SUMMANDS})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    var size = {zero};
    for (var i = workgroup.x * {SUMMANDS}u + lane; i < sizes[0]; i = i + {stride}u) {{
        size = max(size, abs(matrix[sizes[1] + i]));
    }}
    sizes_of_lanes[lane] = size;
    workgroupBarrier();
    for (var stride = {half}u; stride > 0u; stride = stride / 2u) {{
        if (lane < stride) {{
            sizes_of_lanes[lane] = max(sizes_of_lanes[lane], sizes_of_lanes[lane + stride]);
        }}
        workgroupBarrier();
    }}
    let largest = sizes_of_lanes[0];
    var sum = {zero};
    if (!(largest < {least})) {{
        for (var i = workgroup.x * {SUMMANDS}u + lane; i < sizes[0]; i = i + {stride}u) {{
            let value = matrix[sizes[1] + i] / largest;
            sum = sum + value * value;
        }}
    }}
    sums[lane] = sum;
    workgroupBarrier();
    for (var stride = {half}u; stride > 0u; stride = stride / 2u) {{
        if (lane < stride) {{
            sums[lane] = sums[lane] + sums[lane + stride];
        }}
        workgroupBarrier();
    }}
    if (lane == 0u) {{
        partials[workgroup.x] = sums[0];
        partials[{SUMMANDS}u + workgroup.x] = largest;
    }}
}}
",
        stride = SUMMANDS * SUMMANDS,
    )
}

/// The kernel that divides by the norm: the root of the sum of the partial sums, in units of the largest number.
fn scale_shader(double: bool) -> String {
    let wgsl = Wgsl { double, width: 1 };
    let (scalar, zero, one) = (wgsl.scalar(), wgsl.literal(0.0), wgsl.literal(1.0));
    format!(
        "@group(0) @binding(0) var<storage, read> sizes: array<u32>;
@group(0) @binding(1) var<storage, read> matrix: array<{scalar}>;
@group(0) @binding(2) var<storage, read> partials: array<{scalar}>;
@group(0) @binding(3) var<storage, read_write> result: array<{scalar}>;

@compute @workgroup_size({SUMMANDS})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    var largest = {zero};
    for (var i = 0u; i < {SUMMANDS}u; i = i + 1u) {{
        largest = max(largest, partials[{SUMMANDS}u + i]);
    }}
    var sum = {zero};
    for (var i = 0u; i < {SUMMANDS}u; i = i + 1u) {{
        // What has no sum is below the least normal number.
        if (!(partials[i] <= {zero})) {{
            let size = partials[{SUMMANDS}u + i] / largest;
            sum = sum + partials[i] * size * size;
        }}
    }}
    var scale = {one};
    if (sum > {zero}) {{
        scale = {one} / sqrt(sum);
    }} else {{
        largest = {one};
    }}
    for (var i = workgroup.x * {SUMMANDS}u + lane; i < sizes[0]; i = i + {stride}u) {{
        result[i] = matrix[sizes[1] + i] / largest * scale;
    }}
}}
",
        stride = SUMMANDS * SUMMANDS,
    )
}
