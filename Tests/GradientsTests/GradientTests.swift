import Gradients
import Tensors
import Testing

/// Every kind of block there is, small: norms before or after, gates or none, shared key-value heads, rotary positions.
private struct Shape: Sendable, CustomTestStringConvertible {
    let normalisesFirst, centres, gated, causal, rotary: Bool
    let activation: Activation
    var window: Int?

    var testDescription: String { "\(activation.rawValue) first:\(normalisesFirst) gated:\(gated) rotary:\(rotary)" }

    static let all = [
        Shape(normalisesFirst: false, centres: true, gated: false, causal: false, rotary: false, activation: .gelu),
        Shape(normalisesFirst: true, centres: false, gated: true, causal: true, rotary: true, activation: .silu),
        Shape(normalisesFirst: true, centres: true, gated: false, causal: true, rotary: false, activation: .geluTanh),
        Shape(normalisesFirst: true, centres: true, gated: false, causal: true, rotary: false, activation: .relu, window: 2),
    ]

    /// 6 features, 4 query heads of width 2 over 2 key-value heads with values of width 3, feed-forward 7.
    func transformer(blocks: Int) -> DifferentiableTransformer {
        var generator = SeededGenerator(seed: 5, stream: testDescription)
        func map(_ rows: Int, _ columns: Int) -> AffineMap {
            AffineMap(
                weight: .random(rows: rows, columns: columns, using: &generator),
                bias: (0..<rows).map { _ in generator.nextNormal() })
        }
        func norm() -> TokenNorm {
            TokenNorm(
                gain: (0..<6).map { _ in 1 + 0.3 * generator.nextNormal() },
                bias: centres ? (0..<6).map { _ in generator.nextNormal() } : nil, epsilon: 1e-3, centres: centres)
        }
        return DifferentiableTransformer(
            blocks: (0..<blocks).map { _ in
                TransformerBlock(
                    normalisesFirst: normalisesFirst, attentionNorm: norm(), query: map(8, 6), key: map(4, 6),
                    value: map(6, 6), output: map(6, 12),
                    attention: AttentionCore(
                        heads: 4, keyValueHeads: 2, isCausal: causal, frequencies: rotary ? [0.7] : nil, window: window),
                    feedForwardNorm: norm(), gate: gated ? map(7, 6) : nil, up: map(7, 6), down: map(6, 7),
                    activation: activation)
            }, finalNorm: normalisesFirst ? norm() : nil)
    }
}

@Suite struct GradientTests {
    private func stream(_ seed: UInt64) -> DoubleMatrix {
        var generator = SeededGenerator(seed: seed, stream: "stream")
        return .random(rows: 5, columns: 6, using: &generator)
    }

    /// sum of c_ij tanh-free products: enough to reach every weight.
    private func objective(_ output: DoubleMatrix) -> (value: Double, derivatives: DoubleMatrix) {
        let factors = DoubleMatrix(rows: output.rows, columns: output.columns) { Double(($0 * 7 + $1 * 3) % 5) - 1.7 }
        let value = zip(output.elements, factors.elements).reduce(0) { $0 + $1.1 * $1.0 * $1.0 }
        let derivatives = DoubleMatrix(
            rows: output.rows, columns: output.columns,
            elements: zip(output.elements, factors.elements).map { 2 * $0 * $1 })
        return (value, derivatives)
    }

    @Test(arguments: Shape.all)
    fileprivate func gradientsAreFiniteDifferences(shape: Shape) {
        let model = shape.transformer(blocks: 2)
        let input = stream(1)
        let (_, gradients) = model.gradients(of: input, objective: objective)
        func check(_ path: WritableKeyPath<TransformerBlock, AffineMap>, _ gradient: AffineGradient, _ block: Int) {
            let map = model.blocks[block][keyPath: path]
            for index in map.weight.elements.indices {
                func value(_ step: Double) -> Double {
                    var moved = model
                    moved.blocks[block][keyPath: path].weight.elements[index] += step
                    return objective(moved.output(of: input)).value
                }
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5
                #expect(abs(slope - gradient.weight.elements[index]) < 1e-5 * max(1, abs(slope)), "block \(block)")
            }
            for index in map.bias?.indices ?? 0..<0 {
                func value(_ step: Double) -> Double {
                    var moved = model
                    moved.blocks[block][keyPath: path].bias?[index] += step
                    return objective(moved.output(of: input)).value
                }
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5
                #expect(abs(slope - (gradient.bias?[index] ?? .nan)) < 1e-5 * max(1, abs(slope)), "bias, block \(block)")
            }
        }
        for (block, gradient) in gradients.enumerated() {
            check(\.query, gradient.query, block)
            check(\.key, gradient.key, block)
            check(\.value, gradient.value, block)
            check(\.output, gradient.output, block)
            check(\.up, gradient.up, block)
            check(\.down, gradient.down, block)
            if let own = gradient.gate {
                let plain = model.blocks[block].gate
                for index in own.weight.elements.indices {
                    func value(_ step: Double) -> Double {
                        var moved = model
                        moved.blocks[block].gate = plain
                        moved.blocks[block].gate?.weight.elements[index] += step
                        return objective(moved.output(of: input)).value
                    }
                    let slope = (value(1e-5) - value(-1e-5)) / 2e-5
                    #expect(abs(slope - own.weight.elements[index]) < 1e-5 * max(1, abs(slope)), "gate, block \(block)")
                }
            }
        }
    }

    /// NIRVANA's check: sum of w dw f over a layer is the derivative of scaling that layer.
    @Test func weightsTimesGradientsAreADirectionalDerivative() {
        let model = Shape.all[1].transformer(blocks: 1)
        let input = stream(2)
        let gradient = model.gradients(of: input, objective: objective).blocks[0].up.weight
        let sum = zip(model.blocks[0].up.weight.elements, gradient.elements).reduce(0) { $0 + $1.0 * $1.1 }
        func value(_ scale: Double) -> Double {
            var moved = model
            moved.blocks[0].up.weight.elements = moved.blocks[0].up.weight.elements.map { $0 * scale }
            return objective(moved.output(of: input)).value
        }
        let slope = (value(1 + 1e-6) - value(1 - 1e-6)) / 2e-6
        #expect(abs(slope - sum) < 1e-5 * max(1, abs(slope)))
    }

    @Test func sumsDoNotDependOnThreads() throws {
        let model = Shape.all[0].transformer(blocks: 2)
        let streams = (0..<7).map { stream(UInt64($0)) }
        let objective = self.objective
        func sum(_ threads: Int) throws -> [Double] {
            var squares = 0.0
            let found = try model.summedGradients(
                of: streams, context: ExecutionContext(threads: threads), objective: { _, output in objective(output) },
                each: { squares += $0[0].up.weight.squaredNorm })
            return [found.value, squares] + found.blocks.flatMap { $0.query.weight.elements + $0.down.weight.elements }
        }
        #expect(try sum(1) == sum(3))
    }

    @Test(arguments: Activation.allCases)
    func derivativesOfActivations(function: Activation) {
        for x in [-3.1, -0.4, 0.2, 1.7, 4.5] {
            let slope = (function.value(x + 1e-6) - function.value(x - 1e-6)) / 2e-6
            #expect(abs(slope - function.derivative(x)) < 1e-8)
        }
    }
}
