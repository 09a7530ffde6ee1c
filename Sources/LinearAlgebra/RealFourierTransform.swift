import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The discrete Fourier transform of real numbers in single precision and its inverse, by FFTW where the system has it
/// (libfftw3f, opened when the first transform is asked for): n log n operations for n of any size, few for those without
/// large prime factors.
///
/// A spectrum is n / 2 + 1 complex numbers, real and imaginary parts next to each other.
public final class RealFourierTransform: @unchecked Sendable {
    /// n.
    public let size: Int
    private let library: FourierLibrary
    private let (forwardPlan, inversePlan): (OpaquePointer, OpaquePointer)

    /// Floats of a spectrum.
    public var spectrumCount: Int { 2 * (size / 2 + 1) }

    private static let known = Mutex<[Int: RealFourierTransform]>([:])

    /// The transform of a size, planned once and kept; nil where there is no library.
    public static func of(size: Int) -> RealFourierTransform? {
        guard size > 0, size <= 1 << 28, let library = FourierLibrary.shared else { return nil }
        // Planning is not safe on several threads; the lock is what makes it so.
        return known.withLock { known in
            if let transform = known[size] { return transform }
            let transform = RealFourierTransform(size: size, library: library)
            known[size] = transform
            return transform
        }
    }

    private init?(size: Int, library: FourierLibrary) {
        // Plans are chosen without measuring, so that the same machine has the same bits; they want memory, not its content.
        var (numbers, spectrum) = ([Float](repeating: 0, count: size), [Float](repeating: 0, count: size + 2))
        let plans = numbers.withUnsafeMutableBufferPointer { numbers in
            spectrum.withUnsafeMutableBufferPointer { spectrum in
                (
                    library.planForward(Int32(size), numbers.baseAddress, spectrum.baseAddress, FourierLibrary.flags),
                    library.planInverse(Int32(size), spectrum.baseAddress, numbers.baseAddress, FourierLibrary.flags)
                )
            }
        }
        guard let forward = plans.0, let inverse = plans.1 else { return nil }
        (self.size, self.library) = (size, library)
        (forwardPlan, inversePlan) = (forward, inverse)
    }

    /// From `size` numbers to their spectrum.
    public func forward(_ numbers: UnsafeMutablePointer<Float>, into spectrum: UnsafeMutablePointer<Float>) {
        library.executeForward(forwardPlan, numbers, spectrum)
    }

    /// From a spectrum, which is overwritten, to `size` times the numbers.
    public func inverse(_ spectrum: UnsafeMutablePointer<Float>, into numbers: UnsafeMutablePointer<Float>) {
        library.executeInverse(inversePlan, spectrum, numbers)
    }
}

/// The functions of FFTW's single-precision library.
private struct FourierLibrary: Sendable {
    typealias Plan = @convention(c) (Int32, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, UInt32) -> OpaquePointer?
    typealias Execute = @convention(c) (OpaquePointer, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void

    let (planForward, planInverse): (Plan, Plan)
    let (executeForward, executeInverse): (Execute, Execute)

    /// FFTW_ESTIMATE and FFTW_UNALIGNED.
    static let flags: UInt32 = 1 << 6 | 1 << 1

    static let shared = FourierLibrary()

    private init?() {
        #if canImport(Glibc)
            guard let handle = dlopen("libfftw3f.so.3", RTLD_NOW | RTLD_LOCAL),
                let planForward = dlsym(handle, "fftwf_plan_dft_r2c_1d"),
                let planInverse = dlsym(handle, "fftwf_plan_dft_c2r_1d"),
                let executeForward = dlsym(handle, "fftwf_execute_dft_r2c"),
                let executeInverse = dlsym(handle, "fftwf_execute_dft_c2r")
            else { return nil }
            self.planForward = unsafeBitCast(planForward, to: Plan.self)
            self.planInverse = unsafeBitCast(planInverse, to: Plan.self)
            self.executeForward = unsafeBitCast(executeForward, to: Execute.self)
            self.executeInverse = unsafeBitCast(executeInverse, to: Execute.self)
        #else
            return nil
        #endif
    }
}
