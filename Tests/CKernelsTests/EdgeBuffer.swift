#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Memory whose last element is followed by a page nobody may touch: a kernel that reads or writes past the end of it
/// ends the test run. Starts wherever that puts it, so it is aligned to its elements only.
final class EdgeBuffer<Element: BitwiseCopyable> {
    let count: Int
    let start: UnsafeMutablePointer<Element>
    private let region: UnsafeMutableRawPointer
    private let length: Int

    init(_ values: [Element]) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let bytes = values.count * MemoryLayout<Element>.stride
        let pages = (bytes + page - 1) / page
        length = (pages + 1) * page
        #if canImport(Darwin)
        let flags = MAP_PRIVATE | MAP_ANON
        #else
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        #endif
        let mapped: UnsafeMutableRawPointer? = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { preconditionFailure("no memory for a test buffer") }
        region = mapped
        mprotect(region + pages * page, page, PROT_NONE)
        start = (region + (pages * page - bytes)).bindMemory(to: Element.self, capacity: values.count)
        count = values.count
        start.initialize(from: values, count: count)
    }

    convenience init(repeating value: Element, count: Int) { self.init(Array(repeating: value, count: count)) }

    deinit { munmap(region, length) }

    var array: [Element] { Array(UnsafeBufferPointer(start: start, count: count)) }
}
