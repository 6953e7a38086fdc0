// SPDX-License-Identifier: GPL-2.0-or-later
// What a person would see of the page, found by computing: the tests call these by name.

// The colour that is behind an element, and the one in front, as [r, g, b].
function colours(e) {
	const parse = text => (text.match(/[\d.]+/g) || []).map(Number);
	const over = (top, below) => {
		const a = top.length > 3 ? top[3] : 1;
		return [0, 1, 2].map(i => top[i] * a + below[i] * (1 - a));
	};
	const chain = [];
	for (let x = e; x; x = x.parentElement)
		chain.unshift(parse(getComputedStyle(x).backgroundColor));
	const behind = chain.filter(c => c.length >= 3).reduce((below, c) => over(c, below), [255, 255, 255]);
	return [over(parse(getComputedStyle(e).color), behind), behind];
}
// WCAG 2: 1 to 21
function contrast([a, b]) {
	const light = c => {
		const [r, g, l] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * l;
	};
	const [x, y] = [light(a), light(b)];
	return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}
function seen(e) {
	const r = e.getBoundingClientRect();
	for (let x = e; x; x = x.parentElement)
		if (getComputedStyle(x).clipPath === 'inset(50%)') // for screen readers only
			return false;
	return r.width > 1 && r.height > 1 && e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
}
// Texts that are hard to read, and whatever makes the page wider than the screen.
function flaws() {
	const bad = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), done = new Set();
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const e = n.parentElement, style = getComputedStyle(e);
		if (!n.data.trim() || done.has(e) || !seen(e) || /^(SCRIPT|STYLE)$/.test(e.tagName))
			continue;
		done.add(e);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const c = contrast(colours(e));
		if (c < (large ? 3 : 4.5))
			bad.push(`contrast ${c.toFixed(2)}: ${n.data.trim().slice(0, 30)}`);
	}
	const wide = document.documentElement.clientWidth;
	for (const e of document.body.querySelectorAll('*')) {
		const r = e.getBoundingClientRect();
		if (seen(e) && !e.closest('svg') && (r.right > wide + 1 || r.left < -1))
			bad.push(`outside the screen: ${e.tagName} ${e.className} ${Math.round(r.left)}..${Math.round(r.right)} of ${wide}`);
	}
	if (document.documentElement.scrollWidth > wide)
		bad.push(`scrolls sideways: ${document.documentElement.scrollWidth} of ${wide}`);
	const input = getComputedStyle(document.querySelector('input'));
	const border = contrast([(input.borderTopColor.match(/[\d.]+/g) || []).map(Number).slice(0, 3), colours(document.querySelector('form'))[1]]);
	if (border < 3)
		bad.push(`contrast ${border.toFixed(2)}: the border of the search box`);
	return bad;
}
// The rows of the list: host, protocol, outside and inside port, what, time left.
function list() {
	const v = [];
	for (const body of document.querySelectorAll('#table tbody'))
		for (const tr of [...body.rows].slice(1)) {
			const [proto, out, inside, what, left] = tr.cells;
			v.push({ host: body.querySelector('button').textContent, protocol: proto.textContent, out: out.textContent, inside: inside.textContent,
				description: what.querySelector('bdi').textContent, meta: what.querySelector('small').textContent,
				left: left.querySelector('.time').textContent, gone: tr.classList.contains('gone'), height: tr.getBoundingClientRect().height,
				bar: left.querySelector('.bar').hidden ? null : Number(/[\d.]+/.exec(left.querySelector('i').style.transform)[0]) });
		}
	return v;
}
// Where the focus is, and whether that can be seen.
function focus() {
	const e = document.activeElement, style = getComputedStyle(e);
	return { name: e.id || e.getAttribute('href') || e.textContent, outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
		contrast: contrast([(style.outlineColor.match(/[\d.]+/g) || []).map(Number).slice(0, 3), colours(e.parentElement)[1]]) };
}
