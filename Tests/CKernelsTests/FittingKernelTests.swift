import CKernels
import Testing
import Tensors

/// What fits ask of the kernels, in every variant, against the plain one.
@Suite struct FittingKernelTests {
    static func numbers(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
        (0..<count).map { _ in Float(generator.nextNormal()) }
    }

    @Test(arguments: Variant.available)
    func nearestCentroidsAreThoseOfDoublePrecision(variant: Variant) {
        var generator = SeededGenerator(seed: 3, stream: "centroids")
        for count in awkwardSizes where count > 0 {
            for (points, width) in [(1, 1), (2, 3), (5, 4), (7, 17)] {
                let x = EdgeBuffer(Self.numbers(points * width, &generator))
                let centroids = EdgeBuffer(Self.numbers(count * width, &generator))
                let halves = EdgeBuffer(
                    (0..<count).map { c in
                        (0..<width).reduce(Float(0)) { $0 + centroids.start[$1 * count + c] * centroids.start[$1 * count + c] } / 2
                    })
                let nearest = EdgeBuffer<UInt16>(repeating: .max, count: points)
                variant.kernels.nearestCentroids(
                    x.start, width, points, centroids.start, count, halves.start, count, width, nearest.start)
                for point in 0..<points {
                    func score(_ c: Int) -> Double {
                        (0..<width).reduce(-Double(halves.start[c])) {
                            $0 + Double(x.start[point * width + $1]) * Double(centroids.start[$1 * count + c])
                        }
                    }
                    let best = (0..<count).map(score).max() ?? 0
                    let found = Int(nearest.start[point])
                    #expect(found < count)
                    #expect(found < count && score(found) > best - 1e-5, "\(count) centroids, point \(point), width \(width)")
                }
            }
        }
    }

    /// Of equal scores the first, wherever in the vectors the second is; what is no number never wins.
    @Test(arguments: Variant.available)
    func ofEqualCentroidsTheFirstIsNearest(variant: Variant) {
        for count in [2, 9, 16, 23, 40] {
            for first in 0..<count - 1 {
                for second in [first + 1, count - 1] {
                    var centroids = [Float](repeating: 0, count: count), halves = centroids
                    (centroids[first], centroids[second]) = (1, 1)
                    if first > 0 { halves[0] = .nan }
                    var nearest: [UInt16] = [9, 9, 9]
                    variant.kernels.nearestCentroids([2, 2, .nan], 1, 3, centroids, count, halves, count, 1, &nearest)
                    #expect(nearest == [UInt16(first), UInt16(first), 0])
                }
            }
        }
    }

    @Test(arguments: Variant.available)
    func groupErrorsAreTheSameBitsFromEveryTable(variant: Variant) {
        var generator = SeededGenerator(seed: 4, stream: "groups")
        let plain = tessera_kernels_portable().pointee
        for count in [0, 16, 32, 48, 128] {
            let w = EdgeBuffer(Self.numbers(count, &generator)), h = EdgeBuffer(Self.numbers(count, &generator).map(abs))
            for (scale, zero, bits) in [(0.25, 0, 4), (-0.5, 0, 3), (0.125, 1.5, 2), (0, 0, 4), (1e-30, 0, 8)] as [(Float, Float, Int)] {
                let (lowest, highest) = (-Float(1 << (bits - 1)), Float(1 << (bits - 1) - 1))
                var (found, expected) = ([Float](repeating: .nan, count: 5), [Float](repeating: .nan, count: 5))
                let error = variant.kernels.groupError(w.start, h.start, count, scale, zero, lowest, highest, &found)
                let same = plain.groupError(w.start, h.start, count, scale, zero, lowest, highest, &expected)
                #expect(error.bitPattern == same.bitPattern)
                #expect(found == expected)
                #expect(variant.kernels.groupError(w.start, h.start, count, scale, zero, lowest, highest, nil) == error)
            }
        }
    }

    /// The definition, where sums of a few whole numbers are exact.
    @Test(arguments: Variant.available)
    func groupErrorsAndMomentsAreTheirDefinitions(variant: Variant) {
        var (w, h) = ([Float](repeating: 0, count: 16), [Float](repeating: 0, count: 16))
        w.replaceSubrange(0..<5, with: [1, 2.5, -9, 100, -0.75])
        h.replaceSubrange(0..<5, with: [1, 2, 3, 1, 4])
        var moments = [Float](repeating: .nan, count: 5)
        // Codes for a scale of 1/2, zero point 1, three bits: 3, 3 (of 6), -4 (of -17), 3 (of 201), -0 (of -0.5, to even).
        let error = variant.kernels.groupError(w, h, 16, 0.5, 1, -4, 3, &moments)
        // Values 1, 1, -2.5, 1, -0.5.
        // 2 x 1.5^2 + 3 x 6.5^2 + 99^2 + 4 x 0.25^2
        #expect(error == 9932.5)
        #expect(moments == [11, 0, 84, 76, 426])
    }

    @Test(arguments: Variant.available)
    func aChoiceTakesThePlaceOfWorseOnes(variant: Variant) {
        var generator = SeededGenerator(seed: 5, stream: "relax")
        for count in awkwardSizes {
            let from = EdgeBuffer((0..<count).map { $0 % 5 == 3 ? .infinity : generator.nextUniform() })
            let before = (0..<count).map { $0 % 3 == 1 ? .infinity : $0 % 7 == 2 ? from.start[$0] + 0.25 : generator.nextUniform() }
            let best = EdgeBuffer(before), decision = EdgeBuffer<UInt16>(repeating: 7, count: count)
            variant.kernels.relax(from.start, 0.25, 3, best.start, decision.start, count)
            for index in 0..<count {
                // Of equals the one that was there stays.
                let isLess = from.start[index] + 0.25 < before[index]
                #expect(best.start[index] == (isLess ? from.start[index] + 0.25 : before[index]))
                #expect(decision.start[index] == (isLess ? 3 : 7))
            }
        }
    }
}
