/// A point on the wall clock, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Wall time is for people, for receipts and for the age of a session; nothing waits on it, since it can step.
public struct Timestamp: Hashable, Comparable, Codable, Sendable {
    public let milliseconds: Int64

    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// How long ago `earlier` was; negative where the clock has stepped back. Saturates instead of overflowing.
    public func since(_ earlier: Timestamp) -> Duration {
        let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
        guard overflow else { return .milliseconds(difference) }
        return .milliseconds((milliseconds < earlier.milliseconds ? Int64.min : .max) / 1_000_000)
    }

    /// Saturates.
    public func advanced(by duration: Duration) -> Timestamp {
        let (sum, overflow) = milliseconds.addingReportingOverflow(duration.saturatingMilliseconds)
        return Timestamp(milliseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    public init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }
}

/// A point on the monotonic clock (`CLOCK_BOOTTIME`, nanoseconds), of one run of the program.
///
/// Instants of two runs cannot be compared: the machine may have been restarted in between. So a stored instant
/// carries its run, and every comparison says what it means when the runs differ.
public struct MonotonicInstant: Hashable, Codable, Sendable {
    /// Drawn at random at each start of the program.
    public let run: UInt64
    public let nanoseconds: Int64

    public init(run: UInt64, nanoseconds: Int64) {
        self.run = run
        self.nanoseconds = nanoseconds
    }

    /// The instant `duration` later; saturates.
    public func advanced(by duration: Duration) -> MonotonicInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.saturatingNanoseconds)
        return MonotonicInstant(run: run, nanoseconds: overflow ? (nanoseconds < 0 ? .min : .max) : sum)
    }

    /// The first instant after this one that is a multiple of `step` on the clock; saturates.
    public func next(multipleOf step: Duration) -> MonotonicInstant {
        let step = max(step.saturatingNanoseconds, 1)
        let past = nanoseconds % step
        return advanced(by: .nanoseconds(step - (past < 0 ? past + step : past)))
    }

    /// Whether this instant is at or after `other`; `nil` where they belong to two runs.
    public func reached(_ other: MonotonicInstant) -> Bool? {
        run == other.run ? nanoseconds >= other.nanoseconds : nil
    }

    /// The time from `earlier` to here; `nil` where they belong to two runs.
    public func since(_ earlier: MonotonicInstant) -> Duration? {
        guard run == earlier.run else { return nil }
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        guard overflow else { return .nanoseconds(difference) }
        return .nanoseconds(nanoseconds < earlier.nanoseconds ? Int64.min : .max)
    }
}

/// Both clocks, read together.
public struct Moment: Hashable, Codable, Sendable {
    public let wall: Timestamp
    public let monotonic: MonotonicInstant

    public init(wall: Timestamp, monotonic: MonotonicInstant) {
        self.wall = wall
        self.monotonic = monotonic
    }
}

extension Duration {
    /// Whole nanoseconds, held to what an `Int64` can say (292 years).
    public var saturatingNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// Whole milliseconds, saturating.
    public var saturatingMilliseconds: Int64 { saturatingNanoseconds / 1_000_000 }
}
