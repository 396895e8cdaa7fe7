;; The arithmetic of the forward pass in WebAssembly SIMD: four float32 values per instruction.
;; Pointers are bytes, strides and sizes count values. All buffers begin at a multiple of 16 bytes and are filled up to one, so
;; that four values can be read where only one to three are left.
;; kernels.wasm is this file, translated by wabt: python -m tools.compile_kernels
(module
  (import "page" "memory" (memory 1))

  ;; out[rows, columns] = x[rows, inner] W[inner, columns] + bias[columns]
  ;;
  ;; W is stored in panels of 8 columns, [columns / 8, inner, 8], the last one filled up with zeros: the inner loop reads it in order.
  ;; A tile of 4 rows and 8 columns stays in 8 registers while the loop runs over `inner`. At the lower and right edge the tile is
  ;; computed in full, with the last row repeated, but into bytes 0 to 127, from which its valid part is copied.
  (func (export "matmul")
    (param $x i32) (param $x_stride i32) (param $panels i32) (param $bias i32) (param $out i32) (param $out_stride i32)
    (param $rows i32) (param $inner i32) (param $columns i32)
    (local $row i32) (local $column i32) (local $last_row i32) (local $panel_bytes i32)
    (local $x0 i32) (local $x1 i32) (local $x2 i32) (local $x3 i32) (local $w i32) (local $panel_end i32)
    (local $o0 i32) (local $o1 i32) (local $o2 i32) (local $o3 i32) (local $is_edge i32)
    (local $w0 v128) (local $w1 v128) (local $value v128)
    (local $s00 v128) (local $s01 v128) (local $s10 v128) (local $s11 v128)
    (local $s20 v128) (local $s21 v128) (local $s30 v128) (local $s31 v128)
    (local.set $x_stride (i32.shl (local.get $x_stride) (i32.const 2)))
    (local.set $out_stride (i32.shl (local.get $out_stride) (i32.const 2)))
    (local.set $panel_bytes (i32.shl (local.get $inner) (i32.const 5)))
    (local.set $last_row (i32.sub (local.get $rows) (i32.const 1)))
    (loop $next_panel
      (local.set $panel_end (i32.add (local.get $panels) (local.get $panel_bytes)))
      (local.set $row (i32.const 0))
      (loop $next_tile
        (local.set $x0 (i32.add (local.get $x) (i32.mul (local.get $x_stride) (local.get $row))))
        (local.set $x1 (i32.add (local.get $x) (i32.mul (local.get $x_stride)
          (call $smaller (i32.add (local.get $row) (i32.const 1)) (local.get $last_row)))))
        (local.set $x2 (i32.add (local.get $x) (i32.mul (local.get $x_stride)
          (call $smaller (i32.add (local.get $row) (i32.const 2)) (local.get $last_row)))))
        (local.set $x3 (i32.add (local.get $x) (i32.mul (local.get $x_stride)
          (call $smaller (i32.add (local.get $row) (i32.const 3)) (local.get $last_row)))))
        (local.set $s00 (v128.load (local.get $bias)))
        (local.set $s01 (v128.load offset=16 (local.get $bias)))
        (local.set $s10 (local.get $s00))
        (local.set $s11 (local.get $s01))
        (local.set $s20 (local.get $s00))
        (local.set $s21 (local.get $s01))
        (local.set $s30 (local.get $s00))
        (local.set $s31 (local.get $s01))

        (local.set $w (local.get $panels))
        (loop $next_inner
          (local.set $w0 (v128.load (local.get $w)))
          (local.set $w1 (v128.load offset=16 (local.get $w)))
          (local.set $value (v128.load32_splat (local.get $x0)))
          (local.set $s00 (f32x4.add (local.get $s00) (f32x4.mul (local.get $value) (local.get $w0))))
          (local.set $s01 (f32x4.add (local.get $s01) (f32x4.mul (local.get $value) (local.get $w1))))
          (local.set $value (v128.load32_splat (local.get $x1)))
          (local.set $s10 (f32x4.add (local.get $s10) (f32x4.mul (local.get $value) (local.get $w0))))
          (local.set $s11 (f32x4.add (local.get $s11) (f32x4.mul (local.get $value) (local.get $w1))))
          (local.set $value (v128.load32_splat (local.get $x2)))
          (local.set $s20 (f32x4.add (local.get $s20) (f32x4.mul (local.get $value) (local.get $w0))))
          (local.set $s21 (f32x4.add (local.get $s21) (f32x4.mul (local.get $value) (local.get $w1))))
          (local.set $value (v128.load32_splat (local.get $x3)))
          (local.set $s30 (f32x4.add (local.get $s30) (f32x4.mul (local.get $value) (local.get $w0))))
          (local.set $s31 (f32x4.add (local.get $s31) (f32x4.mul (local.get $value) (local.get $w1))))
          (local.set $x0 (i32.add (local.get $x0) (i32.const 4)))
          (local.set $x1 (i32.add (local.get $x1) (i32.const 4)))
          (local.set $x2 (i32.add (local.get $x2) (i32.const 4)))
          (local.set $x3 (i32.add (local.get $x3) (i32.const 4)))
          (local.set $w (i32.add (local.get $w) (i32.const 32)))
          (br_if $next_inner (i32.lt_u (local.get $w) (local.get $panel_end))))

        (local.set $is_edge (i32.or
          (i32.gt_s (i32.add (local.get $row) (i32.const 4)) (local.get $rows))
          (i32.gt_s (i32.add (local.get $column) (i32.const 8)) (local.get $columns))))
        (if (local.get $is_edge)
          (then
            (local.set $o0 (i32.const 0))
            (local.set $o1 (i32.const 32))
            (local.set $o2 (i32.const 64))
            (local.set $o3 (i32.const 96)))
          (else
            (local.set $o0 (i32.add (local.get $out) (i32.add
              (i32.mul (local.get $out_stride) (local.get $row)) (i32.shl (local.get $column) (i32.const 2)))))
            (local.set $o1 (i32.add (local.get $o0) (local.get $out_stride)))
            (local.set $o2 (i32.add (local.get $o1) (local.get $out_stride)))
            (local.set $o3 (i32.add (local.get $o2) (local.get $out_stride)))))
        (v128.store (local.get $o0) (local.get $s00))
        (v128.store offset=16 (local.get $o0) (local.get $s01))
        (v128.store (local.get $o1) (local.get $s10))
        (v128.store offset=16 (local.get $o1) (local.get $s11))
        (v128.store (local.get $o2) (local.get $s20))
        (v128.store offset=16 (local.get $o2) (local.get $s21))
        (v128.store (local.get $o3) (local.get $s30))
        (v128.store offset=16 (local.get $o3) (local.get $s31))
        (if (local.get $is_edge)
          (then (call $copy_tile
            (i32.add (local.get $out) (i32.add
              (i32.mul (local.get $out_stride) (local.get $row)) (i32.shl (local.get $column) (i32.const 2))))
            (local.get $out_stride)
            (call $smaller (i32.sub (local.get $rows) (local.get $row)) (i32.const 4))
            (call $smaller (i32.sub (local.get $columns) (local.get $column)) (i32.const 8)))))
        (local.set $row (i32.add (local.get $row) (i32.const 4)))
        (br_if $next_tile (i32.lt_s (local.get $row) (local.get $rows))))
      (local.set $panels (local.get $panel_end))
      (local.set $bias (i32.add (local.get $bias) (i32.const 32)))
      (local.set $column (i32.add (local.get $column) (i32.const 8)))
      (br_if $next_panel (i32.lt_s (local.get $column) (local.get $columns)))))

  ;; Copy the upper left [rows, columns] of the tile at bytes 0 to 127 to `out`. `out_stride` is in bytes.
  (func $copy_tile (param $out i32) (param $out_stride i32) (param $rows i32) (param $columns i32)
    (local $tile i32) (local $column i32)
    (loop $next_row
      (local.set $column (i32.const 0))
      (loop $next_column
        (f32.store
          (i32.add (local.get $out) (i32.shl (local.get $column) (i32.const 2)))
          (f32.load (i32.add (local.get $tile) (i32.shl (local.get $column) (i32.const 2)))))
        (local.set $column (i32.add (local.get $column) (i32.const 1)))
        (br_if $next_column (i32.lt_s (local.get $column) (local.get $columns))))
      (local.set $out (i32.add (local.get $out) (local.get $out_stride)))
      (local.set $tile (i32.add (local.get $tile) (i32.const 32)))
      (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
      (br_if $next_row (local.get $rows))))

  (func $smaller (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_s (local.get $a) (local.get $b))))

  ;; x[count] += y[count]. `count` is rounded up to a multiple of 4.
  (func (export "add") (param $x i32) (param $y i32) (param $count i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (loop $next
      (v128.store (local.get $x) (f32x4.add (v128.load (local.get $x)) (v128.load (local.get $y))))
      (local.set $x (i32.add (local.get $x) (i32.const 16)))
      (local.set $y (i32.add (local.get $y) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $x) (local.get $end)))))

  ;; out = gamma * (x - mean) / sqrt(variance + epsilon) + beta, for each row of x[rows, size]; `size` is a multiple of 4.
  (func (export "layer_norm")
    (param $x i32) (param $gamma i32) (param $beta i32) (param $out i32) (param $rows i32) (param $size i32) (param $epsilon f32)
    (local $bytes i32) (local $i i32) (local $sum v128) (local $mean v128) (local $scale v128) (local $value v128)
    (local.set $bytes (i32.shl (local.get $size) (i32.const 2)))
    (loop $next_row
      (local.set $sum (v128.const f32x4 0 0 0 0))
      (local.set $i (i32.const 0))
      (loop $next
        (local.set $sum (f32x4.add (local.get $sum) (v128.load (i32.add (local.get $x) (local.get $i)))))
        (br_if $next (i32.lt_u
          (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $bytes))))
      (local.set $mean (f32x4.splat (f32.div (call $total (local.get $sum)) (f32.convert_i32_u (local.get $size)))))

      (local.set $sum (v128.const f32x4 0 0 0 0))
      (local.set $i (i32.const 0))
      (loop $next
        (local.set $value (f32x4.sub (v128.load (i32.add (local.get $x) (local.get $i))) (local.get $mean)))
        (local.set $sum (f32x4.add (local.get $sum) (f32x4.mul (local.get $value) (local.get $value))))
        (br_if $next (i32.lt_u
          (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $bytes))))
      (local.set $scale (f32x4.splat (f32.div (f32.const 1) (f32.sqrt (f32.add
        (f32.div (call $total (local.get $sum)) (f32.convert_i32_u (local.get $size))) (local.get $epsilon))))))

      (local.set $i (i32.const 0))
      (loop $next
        (local.set $value (f32x4.sub (v128.load (i32.add (local.get $x) (local.get $i))) (local.get $mean)))
        (local.set $value (f32x4.mul (local.get $value)
          (f32x4.mul (local.get $scale) (v128.load (i32.add (local.get $gamma) (local.get $i))))))
        (v128.store (i32.add (local.get $out) (local.get $i))
          (f32x4.add (local.get $value) (v128.load (i32.add (local.get $beta) (local.get $i)))))
        (br_if $next (i32.lt_u
          (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $bytes))))
      (local.set $x (i32.add (local.get $x) (local.get $bytes)))
      (local.set $out (i32.add (local.get $out) (local.get $bytes)))
      (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
      (br_if $next_row (local.get $rows))))

  (func $total (param $v v128) (result f32)
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
      (f32.add (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))

  ;; Softmax of each row of x[rows, size], in place: exp(x - max) / sum. The last size % 4 values are read one by one.
  (func (export "softmax") (param $x i32) (param $rows i32) (param $size i32)
    (local $end i32) (local $end4 i32) (local $p i32) (local $max f32) (local $sum f32)
    (local $max4 v128) (local $sum4 v128) (local $value v128)
    (loop $next_row
      (local.set $end4 (i32.add (local.get $x) (i32.shl (i32.and (local.get $size) (i32.const -4)) (i32.const 2))))
      (local.set $end (i32.add (local.get $x) (i32.shl (local.get $size) (i32.const 2))))

      (local.set $max4 (v128.load32_splat (local.get $x)))
      (local.set $p (local.get $x))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $p) (local.get $end4)))
        (local.set $max4 (f32x4.max (local.get $max4) (v128.load (local.get $p))))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (br $next)))
      (local.set $max (f32.max
        (f32.max (f32x4.extract_lane 0 (local.get $max4)) (f32x4.extract_lane 1 (local.get $max4)))
        (f32.max (f32x4.extract_lane 2 (local.get $max4)) (f32x4.extract_lane 3 (local.get $max4)))))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $p) (local.get $end)))
        (local.set $max (f32.max (local.get $max) (f32.load (local.get $p))))
        (local.set $p (i32.add (local.get $p) (i32.const 4)))
        (br $next)))

      (local.set $max4 (f32x4.splat (local.get $max)))
      (local.set $sum4 (v128.const f32x4 0 0 0 0))
      (local.set $p (local.get $x))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $p) (local.get $end4)))
        (local.set $value (call $exp (f32x4.sub (v128.load (local.get $p)) (local.get $max4))))
        (v128.store (local.get $p) (local.get $value))
        (local.set $sum4 (f32x4.add (local.get $sum4) (local.get $value)))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (br $next)))
      (local.set $sum (call $total (local.get $sum4)))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $p) (local.get $end)))
        (local.set $value (call $exp (f32x4.sub (v128.load32_splat (local.get $p)) (local.get $max4))))
        (v128.store32_lane 0 (local.get $p) (local.get $value))
        (local.set $sum (f32.add (local.get $sum) (f32x4.extract_lane 0 (local.get $value))))
        (local.set $p (i32.add (local.get $p) (i32.const 4)))
        (br $next)))

      (local.set $sum4 (f32x4.splat (local.get $sum)))
      (local.set $p (local.get $x))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $p) (local.get $end4)))
        (v128.store (local.get $p) (f32x4.div (v128.load (local.get $p)) (local.get $sum4)))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (br $next)))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $p) (local.get $end)))
        (f32.store (local.get $p) (f32.div (f32.load (local.get $p)) (local.get $sum)))
        (local.set $p (i32.add (local.get $p) (i32.const 4)))
        (br $next)))
      (local.set $x (local.get $end))
      (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
      (br_if $next_row (local.get $rows))))

  ;; exp(x) for x <= 0: 2^n exp(r) with n = round(x / ln 2), and r = x - n ln 2 in [-0.347, 0.347], where the Taylor series up to
  ;; r^7 / 7! has a relative error of 5e-9. ln 2 is subtracted in two parts, the first of which has few enough bits that n times it
  ;; is exact. Below -87, exp(-87) = 1.6e-38 takes the place of still smaller values.
  (func $exp (param $x v128) (result v128)
    (local $n v128) (local $series v128)
    (local.set $x (f32x4.max (local.get $x) (v128.const f32x4 -87 -87 -87 -87)))
    (local.set $n (f32x4.nearest (f32x4.mul (local.get $x)
      (v128.const f32x4 1.4426950408889634 1.4426950408889634 1.4426950408889634 1.4426950408889634))))
    (local.set $x (f32x4.sub (local.get $x) (f32x4.mul (local.get $n)
      (v128.const f32x4 0.693359375 0.693359375 0.693359375 0.693359375))))
    (local.set $x (f32x4.add (local.get $x) (f32x4.mul (local.get $n)
      (v128.const f32x4 2.12194440054690583e-4 2.12194440054690583e-4 2.12194440054690583e-4 2.12194440054690583e-4))))
    (local.set $series
      (v128.const f32x4 1.984126984126984e-4 1.984126984126984e-4 1.984126984126984e-4 1.984126984126984e-4))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x))
      (v128.const f32x4 1.388888888888889e-3 1.388888888888889e-3 1.388888888888889e-3 1.388888888888889e-3)))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x))
      (v128.const f32x4 8.333333333333333e-3 8.333333333333333e-3 8.333333333333333e-3 8.333333333333333e-3)))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x))
      (v128.const f32x4 4.1666666666666664e-2 4.1666666666666664e-2 4.1666666666666664e-2 4.1666666666666664e-2)))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x))
      (v128.const f32x4 0.16666666666666666 0.16666666666666666 0.16666666666666666 0.16666666666666666)))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x)) (v128.const f32x4 0.5 0.5 0.5 0.5)))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x)) (v128.const f32x4 1 1 1 1)))
    (local.set $series (f32x4.add (f32x4.mul (local.get $series) (local.get $x)) (v128.const f32x4 1 1 1 1)))
    ;; 2^n as a float32 has n + 127 in its bits from 23 on.
    (f32x4.mul (local.get $series)
      (i32x4.shl
        (i32x4.add (i32x4.trunc_sat_f32x4_s (local.get $n)) (v128.const i32x4 127 127 127 127))
        (i32.const 23))))

  ;; GELU x Phi(x) of x[count], in place, where Phi is the distribution function of the normal distribution. `count` is rounded up
  ;; to a multiple of 4. For a = |x|, x Phi(x) = max(x, 0) - a Phi(-a): without the difference of two large numbers. And
  ;;
  ;;   Phi(-a) = exp(-a^2 / 2) P(t),  t = 1 / (1 + 0.28 a)
  ;;
  ;; with a polynomial P of degree 6 (the form of formula 7.1.26 in Abramowitz and Stegun 1964), fitted by least squares so that
  ;; a Phi(-a) is off by at most 4e-9. With the rounding of float32, the error is at most 1.0e-7 max(1, |x|).
  (func (export "gelu") (param $x i32) (param $count i32)
    (local $end i32) (local $value v128) (local $a v128) (local $t v128) (local $p v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (loop $next
      (local.set $value (v128.load (local.get $x)))
      (local.set $a (f32x4.abs (local.get $value)))
      (local.set $t (f32x4.div (v128.const f32x4 1 1 1 1)
        (f32x4.add (v128.const f32x4 1 1 1 1) (f32x4.mul (local.get $a) (v128.const f32x4 0.28 0.28 0.28 0.28)))))
      (local.set $p (v128.const f32x4 -0.107555190 -0.107555190 -0.107555190 -0.107555190))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $t))
        (v128.const f32x4 0.396991160 0.396991160 0.396991160 0.396991160)))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $t))
        (v128.const f32x4 -0.248519768 -0.248519768 -0.248519768 -0.248519768)))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $t))
        (v128.const f32x4 0.278183756 0.278183756 0.278183756 0.278183756)))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $t))
        (v128.const f32x4 0.0637909091 0.0637909091 0.0637909091 0.0637909091)))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $t))
        (v128.const f32x4 0.117109084 0.117109084 0.117109084 0.117109084)))
      (local.set $p (f32x4.mul (f32x4.mul (local.get $p) (local.get $t)) (local.get $a)))
      (v128.store (local.get $x) (f32x4.sub
        (f32x4.max (local.get $value) (v128.const f32x4 0 0 0 0))
        (f32x4.mul (local.get $p) (call $exp
          (f32x4.mul (f32x4.mul (local.get $a) (local.get $a)) (v128.const f32x4 -0.5 -0.5 -0.5 -0.5))))))
      (local.set $x (i32.add (local.get $x) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $x) (local.get $end))))))
