/// The events of one folder that nobody has taken yet, in order, and never more than a bound.
///
/// While events wait, a later one about a path takes the place of an earlier one about it: whoever looks at the path
/// sees the outcome of both. That somebody wrote stays told, though: a look may not see that. Beyond the bound all of them give way to one `mustRescan`.
public struct FolderEventBacklog: Sendable {
    private let mostEvents: Int
    private let mostBytes: Int
    private var events: [FolderEvent] = []
    /// How many of `events` are taken already; they are dropped by half of the array at a time.
    private var head = 0
    /// The place of the first of `events`.
    private var base = 0
    /// Where the event about a path waits, counted from the beginning of time.
    private var places: [RelativePath: Int] = [:]
    private var bytes = 0
    private var rescanPlace: Int?
    private var modePlace: Int?
    /// Since the bound was passed, and until `mustRescan` is taken: the scan to come sees everything.
    private var isCollapsed = false

    /// - Parameters:
    ///   - mostEvents: how many events may wait.
    ///   - mostBytes: how many bytes of paths may wait.
    public init(mostEvents: Int = 65_536, mostBytes: Int = 16 << 20) {
        self.mostEvents = mostEvents
        self.mostBytes = mostBytes
    }

    public var isEmpty: Bool { count == 0 }
    public var count: Int { events.count - head }

    public mutating func append(_ event: FolderEvent) {
        switch event {
        case .closedAfterWriting(let path), .movedIn(let path), .appeared(let path), .deleted(let path),
            .movedAway(let path):
            appendAboutFile(event, path)
        case .directoryGone(let path):
            appendAboutDirectory(event, path.bytes.count)
        case .directoryMoved(let from, let to):
            appendAboutDirectory(event, from.bytes.count + to.bytes.count)
        case .mustRescan:
            if rescanPlace == nil { rescanPlace = push(event) }
        case .modeChanged:
            if let place = modePlace { events[place - base] = event } else { modePlace = push(event) }
        case .folderGone:
            _ = push(event)
        }
    }

    private mutating func push(_ event: FolderEvent) -> Int {
        events.append(event)
        return base + events.count - 1
    }

    private mutating func appendAboutFile(_ event: FolderEvent, _ path: RelativePath) {
        guard !isCollapsed else { return }
        if let place = places[path] {
            if case (.closedAfterWriting, .appeared) = (events[place - base], event) { return }
            events[place - base] = event
            return
        }
        bytes += path.bytes.count
        places[path] = push(event)
        collapseBeyondBound()
    }

    /// What is told of files before a directory moves, and after it, is not about the same files: no event takes the
    /// place of one from before.
    private mutating func appendAboutDirectory(_ event: FolderEvent, _ length: Int) {
        guard !isCollapsed else { return }
        places.removeAll()
        bytes += length
        _ = push(event)
        collapseBeyondBound()
    }

    private mutating func collapseBeyondBound() {
        guard count > mostEvents || bytes > mostBytes else { return }
        let mode = modePlace.map { events[$0 - base] }
        let rescan = rescanPlace.map { events[$0 - base] }
        base += events.count
        (events, head, places, bytes) = ([], 0, [:], 0)
        modePlace = mode.map { push($0) }
        rescanPlace = push(rescan ?? .mustRescan(.listenerBehind))
        isCollapsed = true
    }

    /// Removes the first events, at most `limit`.
    public mutating func take(atMost limit: Int) -> [FolderEvent] {
        let end = head + min(max(limit, 1), count)
        let first = Array(events[head..<end])
        for (offset, event) in first.enumerated() { forget(event, at: base + head + offset) }
        head = end
        if head == events.count || head >= 1024, head * 2 >= events.count {
            base += head
            events.removeFirst(head)
            head = 0
        }
        return first
    }

    private mutating func forget(_ event: FolderEvent, at place: Int) {
        switch event {
        case .closedAfterWriting(let path), .movedIn(let path), .appeared(let path), .deleted(let path),
            .movedAway(let path):
            bytes -= path.bytes.count
            if places[path] == place { places[path] = nil }
        case .directoryGone(let path):
            bytes -= path.bytes.count
        case .directoryMoved(let from, let to):
            bytes -= from.bytes.count + to.bytes.count
        case .mustRescan:
            rescanPlace = nil
            isCollapsed = false
        case .modeChanged:
            modePlace = nil
        case .folderGone:
            break
        }
    }
}
