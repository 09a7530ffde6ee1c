import CKernels
import Testing

/// Pairs of rows times tiles: against sums in double precision, and the same bits from every table, for every batch, and
/// wherever panels are cut into calls.
@Suite struct SparsePairsTests {
    static let sizes = [(1, 1), (3, 5), (5, 40), (64, 128), (33, 130), (70, 257), (130, 129), (200, 70), (330, 300), (64, 0)]
    static let batches = [1, 15, 16, 17, 33, 48, 70, 260]

    /// A matrix with rows of very different lengths, some empty, some full; half of its rows keep much the same columns.
    struct Packed {
        let dense: [Float]
        let starts: EdgeBuffer<Int>
        let blocks: EdgeBuffer<UInt8>
        let pairs: tessera_row_pairs
        /// Bytes that `tessera_pairs_most` foresaw for the panels, and those that they took.
        private(set) var sizes: [(most: Int, used: Int)] = []

        init(rows: Int, columns: Int, format: tessera_panel_format, values source: inout SeededValues) {
            var dense = [Float](repeating: 0, count: rows * columns)
            var (offsets, entries, values) = ([0], [UInt32](), [Float]())
            let common = (0..<columns).map { _ in source.nextBits() % 2 == 0 }
            for row in 0..<rows {
                let share = row % 7 == 0 ? 0 : row % 11 == 0 ? 4 : source.nextBits() % 4
                for column in 0..<columns {
                    let isKept = row % 2 == 0 && share > 0 ? common[column] : source.nextBits() % 4 < share
                    guard isKept else { continue }
                    let value = stored(source.next(), format)
                    dense[row * columns + column] = value
                    entries.append(UInt32(column))
                    values.append(value)
                }
                offsets.append(entries.count)
            }
            let (height, width) = (Int(TESSERA_PANEL_ROWS), Int(TESSERA_PAIR_COLUMNS))
            var (starts, bytes) = ([Int](), [UInt8]())
            for top in stride(from: 0, to: rows, by: height) {
                let count = min(height, rows - top)
                let most = tessera_pairs_most(format, columns, offsets[top + count] - offsets[top])
                let panel = EdgeBuffer<UInt8>(repeating: 0xff, count: most)
                var panelStarts = [Int](repeating: 0, count: (columns + width - 1) / width + 1)
                let used = offsets.withUnsafeBufferPointer {
                    tessera_pairs_pack(
                        format, count, columns, $0.baseAddress.unsafelyUnwrapped + top, entries, values, panel.start,
                        &panelStarts)
                }
                sizes.append((most, used))
                starts += panelStarts.dropLast().map { $0 + bytes.count }
                bytes += panel.array.prefix(used)
            }
            starts.append(bytes.count)
            self.dense = dense
            self.starts = EdgeBuffer(starts)
            blocks = EdgeBuffer(bytes)
            pairs = tessera_row_pairs(
                format: format, rows: rows, columns: columns, starts: self.starts.start, blocks: blocks.start)
        }
    }

    @Test(arguments: SparseVariant.formats.map(\.rawValue))
    func productsOfEveryTable(format: UInt32) {
        var values = SeededValues(seed: 71)
        for (rows, columns) in Self.sizes {
            let packed = Packed(rows: rows, columns: columns, format: tessera_panel_format(format), values: &values)
            #expect(packed.sizes.allSatisfy { $0.used <= $0.most })
            let panels = (rows + 63) / 64
            for batch in Self.batches {
                let products = SparseProducts(rows: rows, columns: columns, batch: batch, values: &values)
                var fused: [Float]?
                for variant in SparseVariant.available {
                    func product(_ pieces: [(Int, Int)]) -> [Float]? { products.times(packed, variant, panels: pieces) }
                    let whole = product([(0, panels)])
                    let name = "\(variant.name), \(rows) x \(columns), batch \(batch)"
                    #expect(whole != nil && whole == product([(0, 1), (1, panels)]), "\(name)")
                    if let whole { #expect(products.error(whole, dense: packed.dense) < 2e-6, "\(name)") }
                    guard variant.name != "portable" else { continue }
                    if let fused { #expect(whole == fused, "\(name)") }
                    fused = whole
                }
            }
        }
    }

    /// The bits of a row of Y depend on its row of X alone.
    @Test(arguments: SparseVariant.available)
    func rowsStandAlone(variant: SparseVariant) throws {
        var values = SeededValues(seed: 72)
        let packed = Packed(rows: 100, columns: 200, format: TESSERA_PANEL_F32, values: &values)
        var pairs = packed.pairs
        let products = SparseProducts(rows: 100, columns: 200, batch: 300, values: &values)
        let all = try #require(products.times(packed, variant, panels: [(0, 2)]))
        for row in [0, 63, 64, 255, 256, 299] {
            let tile = EdgeBuffer<Float>(repeating: .nan, count: 200 * 16)
            var y = [Float](repeating: 0, count: 100)
            variant.kernels.tileInput(products.x.start + row * products.xStride, products.xStride, 1, 200, 0, 200, tile.start)
            variant.kernels.pairTile(&pairs, tile.start, &y, 100, 1, 0, 2)
            #expect(y == Array(all[row * 100..<(row + 1) * 100]))
        }
    }

    /// What a row of W does not keep, and another row of X, it does not see.
    @Test(arguments: SparseVariant.available)
    func infinityStaysWhereItIsKept(variant: SparseVariant) throws {
        var values = SeededValues(seed: 73)
        let packed = Packed(rows: 90, columns: 150, format: TESSERA_PANEL_F32, values: &values)
        let products = SparseProducts(rows: 90, columns: 150, batch: 18, values: &values)
        products.x.start[products.xStride + 140] = .infinity
        let y = try #require(products.times(packed, variant, panels: [(0, 2)]))
        for b in 0..<18 {
            for row in 0..<90 {
                #expect(y[b * 90 + row].isFinite == (b != 1 || packed.dense[row * 150 + 140] == 0))
            }
        }
    }
}

extension SparseProducts {
    /// Tile after tile, panels in so many calls; nil where something else was written.
    fileprivate func times(
        _ packed: SparsePairsTests.Packed, _ variant: SparseVariant, panels: [(Int, Int)]
    ) -> [Float]? {
        var pairs = packed.pairs
        return collect { y, yStride in
            withTiles(variant.kernels) { tile, first, height in
                for (start, end) in panels {
                    variant.kernels.pairTile(&pairs, tile, y + first * yStride, yStride, height, start, end)
                }
            }
        }
    }
}
