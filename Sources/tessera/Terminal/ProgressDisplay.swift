import Compression
import Foundation
import Synchronization

/// Progress on standard error: a bar on a terminal, a line now and then elsewhere, nothing when quiet.
final class ProgressDisplay: Sendable {
    private enum Style { case quiet, lines, bar }
    private let style: Style
    private let state = Mutex(State())

    private struct State {
        var stage = ""
        var started = ContinuousClock.now
        var lastShown = ContinuousClock.now
        var seconds: [(stage: String, seconds: Double)] = []
    }

    init(quiet: Bool) {
        style = quiet ? .quiet : (isatty(STDERR_FILENO) == 1 ? .bar : .lines)
    }

    func callAsFunction(_ progress: CompressionProgress) {
        state.withLock { state in
            let now = ContinuousClock.now
            if progress.stage != state.stage {
                close(&state, now)
                state.stage = progress.stage
                state.started = now
                state.lastShown = now - .seconds(60)
            }
            let finished = progress.done >= progress.total
            switch style {
            case .quiet: return
            case .bar:
                guard finished || now - state.lastShown > .milliseconds(100) else { return }
                let width = 24
                let filled = progress.total > 0 ? min(width, width * progress.done / progress.total) : width
                let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
                standardError("\r\u{1B}[K\(progress.stage) [\(bar)] \(progress.done)/\(progress.total)")
            case .lines:
                guard finished || now - state.lastShown > .seconds(5) else { return }
                standardError("\(progress.stage): \(progress.done) of \(progress.total)\n")
            }
            state.lastShown = now
        }
    }

    /// Ends the last stage; returns the seconds each took, in order.
    func finish() -> [(stage: String, seconds: Double)] {
        state.withLock { state in
            close(&state, .now)
            return state.seconds
        }
    }

    private func close(_ state: inout State, _ now: ContinuousClock.Instant) {
        guard !state.stage.isEmpty else { return }
        let components = (now - state.started).components
        state.seconds.append((state.stage, Double(components.seconds) + Double(components.attoseconds) * 1e-18))
        if style == .bar { standardError("\n") }
        state.stage = ""
    }
}
