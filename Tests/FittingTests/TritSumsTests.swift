import Testing

import Fitting

/// Sums in order against trying them all. Halves of small integers are exact, so that ties are ties.
struct TritSumsTests {
    /// Every sum is tried: the first that is nearest.
    private static func plainNearest(_ sums: TritSums, to weight: Float) -> Int {
        var (nearest, distance) = (0, Float.infinity)
        for (combination, sum) in sums.values.enumerated() where abs(weight - sum) < distance {
            (nearest, distance) = (combination, abs(weight - sum))
        }
        return nearest
    }

    @Test(arguments: 1...4)
    func theNearestSumIsThatOfTryingAll(planes: Int) {
        var sums = TritSums(planes: planes)
        let sets: [[Float]] = [
            [0, 0, 0, 0], [1, 1, 1, 1], [8, 4, 2, 1], [27, 9, 3, 1], [3, 0, 3, 1], [2, 7, -1, 4], [-5, 5, 0.5, 2],
        ]
        for scales in sets.map({ Array($0.prefix(planes)) }) {
            sums.setScales(scales)
            for combination in 0..<sums.count {
                let sum = (0..<planes).reduce(Float(0)) { $0 + Float(sums.trit(plane: $1, combination: combination)) * scales[$1] }
                #expect(sums.values[combination] == sum)
            }
            let weights = (-90...90).map { Float($0) / 2 }
            let expected = weights.map { Self.plainNearest(sums, to: $0) }
            #expect(weights.map { sums.nearest(to: $0) } == expected)
            // A slice whose first number is not 0, in an order of its own.
            let order = weights.indices.sorted { weights[$0] < weights[$1] }
            var found = [Int](repeating: -1, count: weights.count)
            sums.forNearest(of: ([99] + weights)[1...], inOrder: order) { found[$0] = $1 }
            #expect(found == expected)
        }
    }

    @Test func sparserCombinationsComeFirst() {
        let sums = TritSums(planes: 3)
        let nonzeros = (0..<sums.count).map { combination in
            (0..<3).count { sums.trit(plane: $0, combination: combination) != 0 }
        }
        #expect(nonzeros == nonzeros.sorted() && sums.count == 27)
        #expect((0..<3).allSatisfy { sums.trit(plane: $0, combination: sums.combination(ofAll: -1)) == -1 })
    }
}
