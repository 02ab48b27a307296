// Buttons of matches: a verdict goes to the server, a dot of the time axis leads to its match.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.goto) {
    const card = element.querySelector(`[data-crop="${CSS.escape(button.dataset.goto)}"]`);
    card.scrollIntoView({ block: 'center', inline: 'center' });
    card.focus({ preventScroll: true });
  } else if (button.dataset.mark) {
    const card = button.closest('[data-crop]');
    const verdict = button.getAttribute('aria-pressed') === 'true' ? '' : button.dataset.mark;
    card.dataset.verdict = verdict;
    card.querySelectorAll('[data-mark]').forEach((other) =>
      other.setAttribute('aria-pressed', String(other.dataset.mark === verdict)));
    element.querySelectorAll(`[data-goto="${CSS.escape(card.dataset.crop)}"]`).forEach((dot) => {
      dot.dataset.verdict = verdict;
    });
    trigger('mark', { crop: card.dataset.crop, verdict: verdict });
  }
});
