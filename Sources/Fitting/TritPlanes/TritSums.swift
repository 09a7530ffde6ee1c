/// The 3^K sums of K scales, each taken plus, minus or not at all.
///
/// They are kept in ascending order, so that the one nearest to a weight is found among log2(3^K) of them instead of all, and
/// those of sorted weights in one pass over both.
package struct TritSums {
    package let planes: Int
    /// 3^K.
    package let count: Int
    /// Combination after combination, K trits each, fewest nonzero ones first: ties go to the sparser.
    private let trits: [Int8]
    /// Of every combination.
    package private(set) var values: [Float]
    /// Combinations by their sums, equal ones by their number.
    private var order: [Int]
    /// Of combinations with equal sums the first, in ascending order, and its sum.
    private var distinct: [(sum: Float, combination: Int)] = []

    package init(planes: Int) {
        self.planes = planes
        var all: [[Int8]] = [[]]
        for _ in 0..<planes { all = all.flatMap { head in [0, 1, -1].map { head + [$0] } } }
        func nonzeros(_ combination: [Int8]) -> Int { combination.count { $0 != 0 } }
        // A stable order: by nonzeros, then as generated.
        trits = (0...planes).flatMap { count in all.filter { nonzeros($0) == count }.flatMap { $0 } }
        count = all.count
        values = Array(repeating: 0, count: count)
        order = Array(0..<count)
        distinct.reserveCapacity(count)
        setScales(Array(repeating: 0, count: planes))
    }

    package func trit(plane: Int, combination: Int) -> Int8 { trits[combination * planes + plane] }

    /// The combination with this one trit in every plane.
    package func combination(ofAll trit: Int8) -> Int {
        (0..<count).first { combination in (0..<planes).allSatisfy { self.trit(plane: $0, combination: combination) == trit } } ?? 0
    }

    /// About 3^K (K + a few) steps where the scales are near those before.
    package mutating func setScales(_ scales: [Float]) {
        trits.withUnsafeBufferPointer { trits in
            for combination in 0..<count {
                var sum: Float = 0
                for plane in 0..<planes { sum += Float(trits[combination * planes + plane]) * scales[plane] }
                values[combination] = sum
            }
        }
        // By insertion, because from one set of scales to the next few change places.
        values.withUnsafeBufferPointer { values in
            order.withUnsafeMutableBufferPointer { order in
                for place in 1..<max(1, order.count) {
                    let combination = order[place]
                    var free = place
                    while free > 0, Self.precedes((values[combination], combination), (values[order[free - 1]], order[free - 1])) {
                        order[free] = order[free - 1]
                        free -= 1
                    }
                    order[free] = combination
                }
            }
        }
        distinct.removeAll(keepingCapacity: true)
        for combination in order where distinct.last?.sum != values[combination] {
            distinct.append((values[combination], combination))
        }
    }

    private static func precedes(_ left: (Float, Int), _ right: (Float, Int)) -> Bool { left < right }

    /// A and b of the least squares for the scales, min alpha^T A alpha - 2 b^T alpha, A row after row: of a combination with
    /// trits t, mass m and moment w the sums of m t t^T and w t.
    func normalEquations(mass: [Double], moment: [Double]) -> (a: [Double], b: [Double]) {
        var a = [Double](repeating: 0, count: planes * planes)
        var b = [Double](repeating: 0, count: planes)
        trits.withUnsafeBufferPointer { trits in
            for combination in 0..<count where mass[combination] > 0 {
                let own = combination * planes
                for i in 0..<planes where trits[own + i] != 0 {
                    let trit = Double(trits[own + i])
                    b[i] += moment[combination] * trit
                    for j in 0..<planes { a[i * planes + j] += mass[combination] * trit * Double(trits[own + j]) }
                }
            }
        }
        return (a, b)
    }

    /// The first combination whose sum is nearest to a weight.
    package func nearest(to weight: Float) -> Int {
        var (low, high) = (0, distinct.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if distinct[middle].sum < weight { low = middle + 1 } else { high = middle }
        }
        return distinct[low > 0 && !Self.isNearer(distinct[low], than: distinct[low - 1], to: weight) ? low - 1 : low].combination
    }

    /// Hands the weights' numbers and the combinations nearest to them to `body`.
    /// - Parameter places: numbers of the weights, their weights in ascending order.
    package func forNearest(
        of weights: ArraySlice<Float>, inOrder places: [Int], _ body: (_ place: Int, _ combination: Int) -> Void
    ) {
        let first = weights.startIndex
        distinct.withUnsafeBufferPointer { sums in
            var position = 0
            for place in places {
                let weight = weights[first + place]
                while position + 1 < sums.count, Self.isNearer(sums[position + 1], than: sums[position], to: weight) {
                    position += 1
                }
                body(place, sums[position].combination)
            }
        }
    }

    private static func isNearer(
        _ one: (sum: Float, combination: Int), than other: (sum: Float, combination: Int), to weight: Float
    ) -> Bool {
        let (near, far) = (abs(weight - one.sum), abs(weight - other.sum))
        return near < far || near == far && one.combination < other.combination
    }
}
