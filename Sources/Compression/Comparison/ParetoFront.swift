/// The points that no other point beats in both coordinates.
package enum ParetoFront {
    /// Those of the given points where nothing has at most their x and at most their y and less of one; by rising x.
    /// Of equal points all stay. Points that are not finite are on no front.
    package static func indices(_ points: [(x: Double, y: Double)]) -> [Int] {
        let finite = points.indices.filter { points[$0].x.isFinite && points[$0].y.isFinite }
        let sorted = finite.sorted { (points[$0].x, points[$0].y, $0) < (points[$1].x, points[$1].y, $1) }
        var front: [Int] = []
        for index in sorted {
            guard let last = front.last else {
                front.append(index)
                continue
            }
            let isEqual = points[last].x == points[index].x && points[last].y == points[index].y
            if points[index].y < points[last].y || isEqual { front.append(index) }
        }
        return front
    }
}
