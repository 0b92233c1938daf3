/// The programs that write files. Every new content is one byte over and over, and no two contents have the same byte: a
/// mixture of two is neither.
final class Writers {
    private let kernel: VirtualKernel
    private let scheduler: SeededScheduler
    private var contents = 0
    private var held: [String: VirtualWriter] = [:]
    private var maps: [String: VirtualMap] = [:]
    /// Of those who write just now.
    private var writing: [Int: VirtualWriter] = [:]
    private var jobs = 0
    /// What was at a path before, the latest last.
    private var earlier: [String: [[UInt8]]] = [:]

    init(_ kernel: VirtualKernel, _ scheduler: SeededScheduler) {
        self.kernel = kernel
        self.scheduler = scheduler
    }

    func newContent(_ count: Int) -> [UInt8] {
        contents = contents % 255 + 1
        return [UInt8](repeating: UInt8(contents), count: max(count, 1))
    }

    func closeAll() {
        for path in held.keys.sorted() { held[path]?.close() }
        for path in maps.keys.sorted() { maps[path]?.unmap() }
        for job in writing.keys.sorted() { writing[job]?.close() }
        (held, maps, writing) = ([:], [:], [:])
    }

    func perform(_ step: Script.Step, _ absolute: (String) -> String) {
        let path = absolute(step.word(0) ?? "")
        let other = absolute(step.word(1) ?? "")
        switch step.verb {
        case .write:
            makeParents(path)
            write(newContent(step.int(1, 1)), to: path, truncates: true, parts: step.int(2, 1), over: step.int(3, 0))
        case .burst:
            for number in 0..<min(step.int(0, 1), 60) {
                kernel.writeFile(absolute("burst\(number).csv"), newContent(step.int(1, 1)))
            }
        case .rewrite:
            guard let file = kernel.file(path) else { return }
            write(newContent(file.cells.count), to: path, truncates: false, parts: step.int(1, 1), over: step.int(2, 0))
        case .backdate:
            guard let file = kernel.file(path), let stamps = kernel.stamps(path) else { return }
            kernel.rewriteInPlace(path, newContent(file.cells.count))
            kernel.setModified(path, to: stamps.modified)
        case .refresh:
            guard let file = kernel.file(path) else { return }
            write(file.cells, to: path, truncates: false, parts: step.int(1, 1), over: step.int(2, 0))
        case .revert:
            guard let file = kernel.file(path), let before = earlier[path]?.popLast() else { return }
            remember(file.cells, at: path, over: before)
            kernel.writeFile(path, before)
        case .append: kernel.appendFile(path, newContent(step.int(1, 1)))
        case .shrink:
            guard let writer = kernel.openWriter(path, truncates: false, creates: false).writer else { return }
            writer.truncate(to: min(step.int(1, 1), writer.size))
            writer.close()
        case .replace:
            makeParents(path)
            if let file = kernel.file(path) { earlier[path, default: []].append(file.cells) }
            kernel.replaceByRename(path, newContent(step.int(1, 1)))
        case .move:
            makeParents(other)
            kernel.rename(path, to: other)
        case .exchange: kernel.exchange(path, with: other)
        case .link: kernel.link(path, as: other)
        case .copy: if let file = kernel.file(path) { kernel.writeFile(other, file.cells) }
        case .remove: kernel.removeTree(path)
        case .chmod: kernel.setReadable(kernel.file(path)?.isReadable ?? true, path)
        case .touch: kernel.touch(path)
        case .hide: kernel.setReadable(false, path)
        case .show: kernel.setReadable(true, path)
        case .hold: held[path] = kernel.openWriter(path, truncates: false, creates: false).writer ?? held[path]
        case .release: held.removeValue(forKey: path)?.close()
        case .map: if maps[path] == nil { maps[path] = kernel.mapWritable(path).map }
        case .store:
            if let map = maps[path], let file = kernel.file(path) { map.store(newContent(file.cells.count), at: 0) }
        case .unmap: maps.removeValue(forKey: path)?.unmap()
        case .lie: kernel.setStatError(step.int(1, 1), path)
        case .lock:
            for number in 0..<min(step.int(0, 1), 200) {
                let directory = absolute("locked\(number)")
                kernel.makeDirectory(directory)
                kernel.setReadable(false, directory)
            }
        default: break
        }
    }

    private func makeParents(_ path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        // Never the folder itself: where that is not there, nothing can be written.
        let parent = String(path[..<slash])
        if parent.hasPrefix(WorldConfiguration.folder + "/") { kernel.makeDirectory(parent) }
    }

    private func remember(_ cells: [UInt8], at path: String, over new: [UInt8]) {
        if cells != new, !cells.isEmpty { earlier[path, default: []].append(cells) }
    }

    /// In parts, with time between them, and the file open all the while.
    private func write(_ cells: [UInt8], to path: String, truncates: Bool, parts: Int, over duration: Int) {
        if let file = kernel.file(path) { remember(file.cells, at: path, over: cells) }
        guard let writer = kernel.openWriter(path, truncates: truncates).writer else { return }
        let parts = max(min(parts, cells.count), 1)
        let size = (cells.count + parts - 1) / parts
        guard duration > 0, parts > 1 else {
            writer.write(cells, at: 0)
            writer.close()
            return
        }
        jobs += 1
        let job = jobs
        writing[job] = writer
        for part in 0..<parts {
            let range = min(part * size, cells.count)..<min((part + 1) * size, cells.count)
            let at = Int64(duration) * 1_000_000 * Int64(part) / Int64(parts)
            scheduler.after(at, of: SeededScheduler.world) { [self] in
                if writing[job] != nil { writer.write(Array(cells[range]), at: range.lowerBound) }
            }
        }
        scheduler.after(Int64(duration) * 1_000_000, of: SeededScheduler.world) { [self] in
            writing.removeValue(forKey: job)?.close()
        }
    }
}
